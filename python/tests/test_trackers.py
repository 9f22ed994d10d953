"""A tracker that is broken disturbs neither training nor the others."""
import json
import os
import tempfile
import threading
import time
import unittest

from killed import POINTS, run_killed

from trainyard import ConsoleTracker, MetricRecord, Pipeline, Tracker
from trainyard.tracker_fan_out import TrackerFanOut
from trainyard.tracker_queue import QueueLimits

LIMITS = QueueLimits(max_waiting=3, call_ms=20, durable_ms=50, close_ms=200)


class Listening(Tracker):
    name = "listening"

    def __init__(self):
        self.steps = []
        self.is_closed = False

    def track(self, records):
        self.steps.extend(record.step for record in records)

    def close(self):
        self.is_closed = True


class Throwing(Tracker):
    name = "bad"

    def track(self, records):
        raise OSError("disk full")


class Exiting(Tracker):
    name = "exits"

    def track(self, records):
        raise SystemExit(3)


class Hanging(Tracker):
    name = "hangs"

    def __init__(self):
        self.is_called = threading.Event()
        self.go = threading.Event()

    def track(self, records):
        self.is_called.set()
        self.go.wait(30)


def record(step):
    return MetricRecord("train_loss", 1.0, step, step, None, "epoch", 0)


class BrokenTrackers(unittest.TestCase):
    def setUp(self):
        self.warnings = []
        self.listening = Listening()

    def fan_out(self, broken):
        return TrackerFanOut([broken, self.listening], self.warnings.append, LIMITS)

    def test_one_that_throws_is_told_of_a_few_times_and_the_others_get_everything(self):
        fan_out = self.fan_out(Throwing())
        for step in range(5):
            fan_out.track([record(step)])
            fan_out.flush()
        fan_out.close()
        self.assertEqual(self.listening.steps, [0, 1, 2, 3, 4])
        self.assertTrue(self.listening.is_closed)
        told = ['The tracker "bad" has failed: disk full.'] * 3
        self.assertEqual(self.warnings, [*told, 'The tracker "bad" has failed 5 times.'])

    def test_one_that_exits_ends_neither_its_thread_nor_the_program(self):
        fan_out = self.fan_out(Exiting())
        fan_out.track([record(0)])
        fan_out.close()
        self.assertEqual(self.listening.steps, [0])
        self.assertEqual(self.warnings, ['The tracker "exits" has failed: 3.'])

    def test_one_that_hangs_holds_up_nobody_has_a_bounded_queue_and_is_told_of(self):
        hanging = Hanging()
        fan_out = self.fan_out(hanging)
        self.addCleanup(hanging.go.set)
        fan_out.track([record(0)])
        self.assertTrue(hanging.is_called.wait(10))
        for step in range(1, 10):
            fan_out.track([record(step)])
            self.wait_until(lambda: len(self.listening.steps) == step + 1)
        time.sleep(LIMITS.call_ms / 1000)
        fan_out.track([record(10)])
        began = time.monotonic()
        fan_out.close()
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(self.listening.steps, list(range(11)))
        self.assertEqual(self.warnings[0], 'The tracker "hangs" is too slow; values are left out of it.')
        self.assertIn('The tracker "hangs" has not answered for 20 ms.', self.warnings)
        self.assertIn('The tracker "hangs" has not ended within 200 ms; 4 calls are lost.', self.warnings)
        self.assertEqual(self.warnings[-1], 'The tracker "hangs" lacks 7 values: it was too slow.')

    def test_one_that_is_durable_and_hangs_holds_up_the_program_once(self):
        hanging = Hanging()
        hanging.is_durable = True
        fan_out = self.fan_out(hanging)
        began = time.monotonic()
        for step in range(100):
            fan_out.track([record(step)])
        self.assertLess(time.monotonic() - began, 2)
        told = 'The tracker "hangs" has not answered for 50 ms; it is not waited for any more.'
        self.assertEqual(self.warnings.count(told), 1)
        hanging.go.set()
        fan_out.close()

    def test_params_are_those_of_the_moment_and_what_cannot_be_copied_is_text(self):
        seen = []

        class Params(Tracker):
            def log_params(self, params):
                seen.append(params)

        fan_out = TrackerFanOut([Params()], self.warnings.append, LIMITS)
        layers = [1, 2]
        fan_out.log_params({"layers": layers, "lock": threading.Lock()})
        layers.append(3)
        fan_out.close()
        self.assertEqual(seen[0]["layers"], [1, 2])
        self.assertIn("lock", seen[0]["lock"])

    def wait_until(self, condition):
        deadline = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)


class Files(unittest.TestCase):
    def test_have_every_value_that_was_recorded_when_the_program_is_killed(self):
        with tempfile.TemporaryDirectory() as directory:
            run_killed(self, 'FilesTracker(sys.argv[1], "killed")', directory)
            with open(os.path.join(directory, "killed_metrics.jsonl"), encoding="utf-8") as file:
                read = [json.loads(line) for line in file]
        self.assertEqual([(line["step"], line["train_loss"]) for line in read], POINTS)


class Console(unittest.TestCase):
    def test_says_why_a_run_has_failed(self):
        lines = []

        class Failing(Pipeline):
            def train(self):
                raise ValueError("no data")

        with self.assertRaises(ValueError):
            Failing(trackers=[ConsoleTracker(lines.append)]).run()
        self.assertRegex(lines[-1], r"^run failed \(ValueError: no data\) after \d+\.\d s$")


if __name__ == "__main__":
    unittest.main()
