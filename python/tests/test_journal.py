"""Runs that are recorded while their server is away: it gets them later, once."""
import glob
import math
import os
import subprocess
import sys
import tempfile
import unittest

from killed import POINTS, run_killed
from test_mlflow_tracker import Server
import test_tracker_conformance as conformance

from trainyard import Pipeline, TrainyardTracker
from trainyard.journal import Journal, send

MLFLOW_URI = conformance.MLFLOW_URI
AWAY = "http://127.0.0.1:9"


class Trains(Pipeline):
    def train(self):
        with self.epoch(0):
            self.epoch_metrics["train_loss"] = math.nan
            self.epoch_metrics["val_acc"] = {"cat": 1, "dog": 0}
        return "done"


class Journals(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name
        self.warnings = []

    def train(self, address, **options):
        tracker = TrainyardTracker(
            address, f"e {self.id()}", directory=self.directory, warn=self.warnings.append, env={}, **options
        )
        self.assertEqual(Trains(params={"lr": 0.1}, trackers=[tracker], warn=self.warnings.append).run().result, "done")
        return tracker.journal

    def sync(self, url):
        command = [sys.executable, "-m", "trainyard", "sync", self.directory, "--url", url]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    def test_keep_all_while_no_server_is_named_or_there(self):
        for address in ("", AWAY):
            journal = self.train(address, close_seconds=1)
            calls = [call for _, call, _ in journal.calls(0)]
            self.assertEqual(calls, ["start", "params", "track", "end"])
            self.assertEqual(journal.sent(), (0, None))
        self.assertTrue(any("python -m trainyard sync" in warning for warning in self.warnings), self.warnings)

    def test_pass_over_a_line_that_a_kill_has_torn(self):
        journal = self.train("")
        with open(journal.path, "ab") as file:
            file.write(b'{"call": "tra')
        self.assertEqual(len(list(journal.calls(0))), 4)

    def test_go_on_behind_a_line_that_the_server_refuses(self):
        journal = self.train("")
        refusal = (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "no"})
        unknown = (200, {"experiment": {"experiment_id": "7"}})
        told = []
        with Server(unknown, (200, {"runs": []}), (200, {"run": {"info": {"run_id": "abc"}}}), refusal) as server:
            self.assertTrue(send(journal, server.address, told.append, env={}))
        self.assertEqual(len(told), 1)
        self.assertEqual(journal.sent(), (os.path.getsize(journal.path), "abc"))

    @unittest.skipIf(MLFLOW_URI == "", "no server is named by TRAINYARD_TEST_MLFLOW_URI")
    def test_are_sent_later_and_once_whatever_was_heard_of_it(self):
        journal = self.train(AWAY, close_seconds=1)
        self.assertEqual(self.sync(MLFLOW_URI).returncode, 0)
        first = journal.sent()
        # Nobody has heard that it was taken: it is said again, of the same run.
        os.remove(journal.path.replace(".jsonl", ".sent.json"))
        self.assertEqual(self.sync(MLFLOW_URI).returncode, 0)
        self.assertEqual(journal.sent(), first)
        self.assertEqual([each[1:] for each in self.points(first[1], "val_acc/cat")], [(0, 1.0)])
        self.assertEqual(len(self.points(first[1], "train_loss")), 1)

    @unittest.skipIf(MLFLOW_URI == "", "no server is named by TRAINYARD_TEST_MLFLOW_URI")
    def test_of_a_program_that_was_killed_have_all_its_points(self):
        tracker = 'TrainyardTracker(sys.argv[1], "killed", directory=sys.argv[2])'
        run_killed(self, tracker, MLFLOW_URI, self.directory)
        self.assertEqual(self.sync(MLFLOW_URI).returncode, 0)
        [path] = glob.glob(os.path.join(self.directory, "*.jsonl"))
        points = self.points(Journal(path).sent()[1], "train_loss")
        self.assertEqual(sorted(each[1:] for each in points), POINTS)

    def points(self, run_id, key):
        query = {"run_id": run_id, "metric_key": key, "max_results": 25000}
        return [
            (point["key"], int(point.get("step", 0)), float(point["value"]))
            for point in conformance.Mlflow.get(self, "metrics/get-history", **query)["metrics"]
        ]


if __name__ == "__main__":
    unittest.main()
