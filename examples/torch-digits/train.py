"""Learns handwritten digits with PyTorch, and is recorded by `trainyard`. Dropout makes it need its random state."""
import json
import os
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../python"))
from trainyard import (
    ConsoleTracker,
    FilesTracker,
    LearningRateMonitor,
    MlflowTracker,
    ModelCheckpoint,
    Pipeline,
    SeededBatches,
    TensorboardTracker,
    checkpoint_directory,
    checkpoint_to_resume,
)

DEFAULTS = {"epochs": 5, "batch_size": 64, "learning_rate": 0.01, "seed": 1}


class Digits(Pipeline):
    def __init__(self, came, **options):
        super().__init__(resume_from=came, **options)
        torch.manual_seed(self.params["seed"])
        digits = load_digits()
        self.x = torch.tensor(digits.data / 16, dtype=torch.float32)
        self.y = torch.tensor(digits.target)
        self.held_out = 400
        self.model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, 10))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.params["learning_rate"])
        self.loss = nn.CrossEntropyLoss()
        if came is not None:
            saved = torch.load(came.path, weights_only=True)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            torch.set_rng_state(saved["random"])

    def train(self):
        self.each_epoch(self.params["epochs"], self.one_epoch)
        return {"accuracy": self.judge()[1]}

    def one_epoch(self, epoch):
        size = len(self.x) - self.held_out
        self.each_batch(SeededBatches(size, self.params["batch_size"], self.params["seed"]), self.one_batch)
        self.epoch_metrics["val_loss"], self.epoch_metrics["val_acc"] = self.judge()

    def one_batch(self, items, index):
        self.model.train()
        loss = self.loss(self.model(self.x[items]), self.y[items])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.epoch_metrics.add("train_loss", loss, weight=len(items))

    def judge(self):
        self.model.eval()
        with torch.no_grad():
            answers = self.model(self.x[-self.held_out :])
        wanted = self.y[-self.held_out :]
        return self.loss(answers, wanted).item(), (answers.argmax(1) == wanted).float().mean().item()

    def change_param(self, name, value):
        if name != "learning_rate":
            super().change_param(name, value)
        for group in self.optimizer.param_groups:
            group["lr"] = float(value)

    def save(self, path):
        states = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**states, "random": torch.get_rng_state()}, path)


def main():
    params = dict(DEFAULTS)
    if "TRAINYARD_PARAMS" in os.environ:
        with open(os.environ["TRAINYARD_PARAMS"]) as file:
            params.update(json.load(file))
    torch.set_num_threads(1)
    trackers = [FilesTracker(), ConsoleTracker()]
    if "MLFLOW_TRACKING_URI" in os.environ:
        trackers.append(MlflowTracker(experiment="torch-digits"))
    if "TENSORBOARD_DIR" in os.environ:
        trackers.append(TensorboardTracker(os.environ["TENSORBOARD_DIR"]))
    checkpoint = ModelCheckpoint(lambda path: digits.save(path), checkpoint_directory(), "val_loss", every_batches=8)
    digits = Digits(
        checkpoint_to_resume(),
        params=params,
        trackers=trackers,
        callbacks=[LearningRateMonitor(lambda: digits.optimizer.param_groups[0]["lr"]), checkpoint],
    )
    outcome = digits.run()
    print(outcome.status, outcome.result)


if __name__ == "__main__":
    main()
