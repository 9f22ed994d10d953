"""The programs of tests/support/tensorboard-programs.ts in Python: PROGRAM DIRECTORY [PNG]."""
import math
import sys

from trainyard import Pipeline, TensorboardTracker

PARAMS = {"lr": 0.1, "optimizer": {"name": "adam"}, "nesterov": False}


class Tracked(Pipeline):
    def __init__(self, body, tracker, params):
        super().__init__(params=params, metrics={"f1": {"goal": "max"}}, trackers=[tracker])
        self.body, self.tracker = body, tracker

    def train(self):
        self.body(self)


def steps(p):
    with p.epoch(3):
        with p.batch(41):
            p.batch_metrics["train_loss"] = 0.5
        p.epoch_metrics["train_loss"] = 0.25
        p.epoch_metrics["val_loss"] = math.nan
        p.epoch_metrics["f1"] = {"cat": 1, "dog": 0}
        p.epoch_metrics["confusion"] = [[3, 1], [0, 4]]
        p.track("learning_rate", 0.5, step=137)
        p.track("learning_rate", math.inf, step=2**40)


def params(p):
    p.log_params({"seed": 7})


def failed(p):
    raise RuntimeError("broken")


def media(p):
    with open(sys.argv[3], "rb") as file:
        png = file.read()
    p.tracker.histogram("weights", [0, [0.5, 0.5], 3], 5)
    p.tracker.histogram("nothing", [math.nan], 5)
    p.tracker.text("note", "**bold** ünd", 6)
    p.tracker.image("samples", png, 7)


def first(p):
    with p.epoch(0):
        p.epoch_metrics["train_loss"] = 1


def second(p):
    with p.epoch(1):
        p.epoch_metrics["train_loss"] = 0.5


name = sys.argv[1]
given = PARAMS if name in ("params", "failed") else {}
try:
    Tracked(globals()[name], TensorboardTracker(sys.argv[2]), given).run()
except RuntimeError:
    pass
