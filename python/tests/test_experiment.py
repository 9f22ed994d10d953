"""One run of a trial, from its config alone."""
import json
import os
import tempfile
import unittest

from trainyard import Pipeline, Registry, UnknownType, read_trial_config, run_trial


class Steps(Pipeline):
    def train(self):
        for n in range(self.params["epochs"]):
            with self.epoch(n):
                self.epoch_metrics["val_loss"] = 1
        return self.params["epochs"]


def pipelines():
    return Registry("pipeline").register(
        "steps",
        lambda settings, made: Steps(
            params={"epochs": settings.get("epochs", 2)},
            trackers=made.trackers,
            callbacks=made.callbacks,
            handle_signals=False,
        ),
    )


class Trials(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def config(self, settings):
        path = os.path.join(self.directory, "config.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "experiment": {"name": "e", "id": None, "desc": None, "settings": {}},
                    "trial": {"name": "a", "id": None},
                    "repeat": 1,
                    "seed": 5,
                    "device": "cpu",
                    "verbose": False,
                    "debug": False,
                    "args": {},
                    "settings": settings,
                    "trackers": [
                        {"type": "trainyard", "directory": os.path.join(self.directory, "metrics"), "job": "j"},
                        {"type": "csv"},
                    ],
                    "workspace": os.path.join(self.directory, "workspace"),
                },
                file,
            )
        return read_trial_config(path)

    def test_makes_trackers_callbacks_and_the_pipeline_by_their_types(self):
        callbacks = [{"type": "early_stopping", "patience": 2, "minEpochs": 0}, {"type": "metrics_csv"}]
        outcome = run_trial(
            pipelines(),
            config=self.config({"pipeline": {"type": "steps", "epochs": 9}, "callbacks": callbacks}),
        )
        self.assertEqual(outcome.status, "stopped")
        with open(os.path.join(self.directory, "metrics", "j_metrics.jsonl"), encoding="utf-8") as file:
            self.assertEqual(len(file.readlines()), 3)
        level = os.path.join(self.directory, "workspace", "a", "a-1")
        for left in ("logs/metrics.log", "artifacts/metrics.csv", "configs"):
            self.assertTrue(os.path.exists(os.path.join(level, left)), left)

    def test_say_what_a_config_lacks(self):
        with self.assertRaisesRegex(ValueError, '"settings.pipeline" is a mapping with a "type", not null'):
            run_trial(pipelines(), config=self.config({}))
        said = 'There is no pipeline of type "step"; did you mean "steps"\\? \\(there are steps\\)'
        with self.assertRaisesRegex(UnknownType, said):
            run_trial(pipelines(), config=self.config({"pipeline": {"type": "step"}}))
        with self.assertRaisesRegex(UnknownType, 'did you mean "steps"'):
            run_trial(pipelines(), config=self.config({"pipeline": {"type": "tseps"}}))

    def test_refuse_params_of_another_kind(self):
        path = os.path.join(self.directory, "params.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"epochs": 3}, file)
        with self.assertRaisesRegex(ValueError, 'is no config of an experiment\'s trial: it has no "experiment"'):
            read_trial_config(path)

    def test_do_not_let_a_second_factory_take_a_name(self):
        with self.assertRaisesRegex(ValueError, 'There is a pipeline of type "steps" already'):
            pipelines().register("steps", lambda settings, made: None)


if __name__ == "__main__":
    unittest.main()
