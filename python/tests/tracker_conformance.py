"""What every tracker must do. Its tests are those of each subclass that says how its tracker is made and read."""
import math
import os
import signal
from dataclasses import dataclass, field

from trainyard import Pipeline, RunCancelled


@dataclass
class Recorded:
    """What a tracker has recorded: name, step and value of each point; the params as texts; how the run ended."""

    values: list
    params: dict = field(default_factory=dict)
    status: str = ""


class Tensor:
    """As those of libraries are."""

    def __init__(self, value):
        self.value = value

    def tolist(self):
        return self.value


class Program(Pipeline):
    def __init__(self, body, tracker, params):
        self.warnings = []
        metrics = {"f1": {"goal": "max"}}
        super().__init__(params=params, metrics=metrics, trackers=[tracker], warn=self.warnings.append)
        self.body = body

    def train(self):
        return self.body(self)


class TrackerConformance:
    """A mixin for `unittest.TestCase`."""

    keeps_values = True
    keeps_params = True
    #: Words for completed, stopped, failed and cancelled; None where the tracker does not keep them.
    statuses = None
    keeps_negative_steps = True

    def make(self):
        """A tracker of a new place."""
        raise NotImplementedError

    def read(self):
        """What the tracker that was made last has recorded, by what reads it otherwise."""
        raise NotImplementedError

    def recorded(self, body, params=None):
        program = Program(body, self.make(), params or {})
        try:
            program.run()
        except (RuntimeError, RunCancelled):
            pass
        self.assertEqual(program.warnings, [])
        return self.read()

    def assert_values(self, found, expected):
        self.assertEqual(found, expected if self.keeps_values else [])

    def test_every_value_has_the_step_that_it_was_recorded_with(self):
        def body(p):
            p.track("learning_rate", 0.5, step=137)
            with p.epoch(3):
                with p.batch(41):
                    p.batch_metrics["train_loss"] = 0.5
                p.epoch_metrics["train_loss"] = 0.25
                p.track("learning_rate", 0.25)
            p.run_metrics["test_acc"] = 0.75

        self.assert_values(
            self.recorded(body).values,
            [
                ("batch/train_loss", 41, 0.5),
                ("learning_rate", 3, 0.25),
                ("learning_rate", 137, 0.5),
                ("test_acc", 0, 0.75),
                ("train_loss", 3, 0.25),
            ],
        )

    def test_values_that_are_not_finite_and_steps_below_zero_are_kept(self):
        def body(p):
            for step, value in enumerate((math.nan, math.inf, -math.inf)):
                p.track("val_loss", value, step=step)
            p.track("learning_rate", 1, step=-1)

        values = [(name, step, str(value)) for name, step, value in self.recorded(body).values]
        at = -1 if self.keeps_negative_steps else 0
        expected = [("val_loss", 0, "nan"), ("val_loss", 1, "inf"), ("val_loss", 2, "-inf")]
        self.assert_values(values, [("learning_rate", at, "1.0"), *expected])

    def test_lists_labels_and_tensors_are_kept_with_their_parts(self):
        def body(p):
            with p.epoch(0):
                p.epoch_metrics["confusion"] = [[3, 1], [0, 4]]
                p.epoch_metrics["f1"] = {"cat": 1, "dog": 0}
                p.epoch_metrics["val_acc"] = Tensor([2, 4])
                p.epoch_metrics["val_loss"] = Tensor([0.5])

        self.assert_values(
            [(name, value) for name, _, value in self.recorded(body).values],
            [
                *(("confusion", 8), ("confusion/0/0", 3), ("confusion/0/1", 1), ("confusion/1/0", 0)),
                *(("confusion/1/1", 4), ("f1", 0.5), ("f1/cat", 1), ("f1/dog", 0)),
                *(("val_acc", 3), ("val_acc/0", 2), ("val_acc/1", 4), ("val_loss", 0.5)),
            ],
        )

    def test_many_values_are_all_there_in_the_order_of_their_steps(self):
        def body(p):
            for step in range(2500):
                p.track("train_loss", step / 2, step=step)

        expected = [("train_loss", step, step / 2) for step in range(2500)]
        self.assert_values(self.recorded(body).values, expected)

    def test_params_are_those_of_the_pipeline_and_those_that_are_logged(self):
        params = {"lr": 0.1, "optimizer": {"name": "adam"}, "nesterov": False, "layers": [8, 2], "seed": 7}
        recorded = self.recorded(lambda p: p.log_params({"gpus": None}), params)
        if self.keeps_params:
            expected = {"lr": "0.1", "optimizer.name": "adam", "nesterov": "false", "layers": "[8,2]", "seed": "7"}
            self.assertEqual(recorded.params, {**expected, "gpus": "null"})

    def test_the_end_of_the_run_is_told_from_the_others(self):
        def fail(p):
            raise RuntimeError("broken")

        bodies = (
            lambda p: None,
            lambda p: p.stop("enough"),
            fail,
            lambda p: os.kill(os.getpid(), signal.SIGTERM),
        )
        found = [self.recorded(body).status for body in bodies]
        if self.statuses is not None:
            self.assertEqual(found, list(self.statuses))

    def test_a_level_that_is_left_open_and_a_run_without_values_do_no_harm(self):
        def body(p):
            p.begin_epoch(0)

        program = Program(body, self.make(), {})
        program.run()
        self.assertEqual(program.warnings, ["epoch 0 was not ended; it ends with the run."])
        self.assertEqual(self.read().values, [])
