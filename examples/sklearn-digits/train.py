"""Learns handwritten digits with scikit-learn, epoch by epoch, and is recorded by `trainyard`."""
import json
import os
import sys

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import confusion_matrix, log_loss
from sklearn.model_selection import train_test_split

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../python"))
from trainyard import (
    ConsoleTracker,
    EarlyStopping,
    FilesTracker,
    MlflowTracker,
    ModelCheckpoint,
    Pipeline,
    SeededBatches,
    checkpoint_directory,
    checkpoint_to_resume,
)

DEFAULTS = {"epochs": 15, "batch_size": 64, "alpha": 0.0001, "seed": 1}


class Digits(Pipeline):
    def __init__(self, came, **options):
        super().__init__(resume_from=came, **options)
        digits = load_digits()
        parts = train_test_split(digits.data / 16, digits.target, test_size=0.25, random_state=0)
        self.train_x, self.test_x, self.train_y, self.test_y = parts
        self.model = SGDClassifier(loss="log_loss", alpha=self.params["alpha"], random_state=self.params["seed"])
        if came is not None:
            self.model = joblib.load(came.path)

    def train(self):
        self.each_epoch(self.params["epochs"], self.one_epoch)
        predicted = self.model.predict(self.test_x)
        self.run_metrics["test_acc"] = float(np.mean(predicted == self.test_y))
        self.run_metrics["confusion"] = confusion_matrix(self.test_y, predicted)
        return {"accuracy": float(np.mean(predicted == self.test_y))}

    def one_epoch(self, epoch):
        seed, size = self.params["seed"], self.params["batch_size"]
        self.each_batch(SeededBatches(len(self.train_x), size, seed), self.one_batch)
        chances = self.model.predict_proba(self.test_x)
        self.epoch_metrics["val_loss"] = log_loss(self.test_y, chances)
        self.epoch_metrics["val_acc"] = np.mean(chances.argmax(axis=1) == self.test_y)

    def one_batch(self, items, index):
        x, y = self.train_x[items], self.train_y[items]
        self.model.partial_fit(x, y, classes=np.arange(10))
        self.epoch_metrics.add("train_acc", self.model.score(x, y), weight=len(items))

    def save(self, path):
        joblib.dump(self.model, path)


def main():
    params = dict(DEFAULTS)
    if "TRAINYARD_PARAMS" in os.environ:
        with open(os.environ["TRAINYARD_PARAMS"]) as file:
            params.update(json.load(file))
    trackers = [FilesTracker(), ConsoleTracker()]
    if "MLFLOW_TRACKING_URI" in os.environ:
        trackers.append(MlflowTracker(experiment="sklearn-digits"))
    checkpoint = ModelCheckpoint(lambda path: digits.save(path), checkpoint_directory(), "val_loss")
    digits = Digits(
        checkpoint_to_resume(),
        params=params,
        trackers=trackers,
        callbacks=[EarlyStopping("val_loss", patience=3), checkpoint],
    )
    outcome = digits.run()
    print(outcome.status, outcome.result)


if __name__ == "__main__":
    main()
