"""What people outside want of a program while it trains, by the files of its attempt."""
import itertools
import json
import os
import tempfile
import threading
import time
import unittest

from trainyard import Callback, ModelCheckpoint, Pipeline

SECONDS = 20


class Steps(Pipeline):
    """Trains batches until somebody outside is content."""

    def __init__(self, outside, **options):
        super().__init__(params={"learning_rate": 0.1, "batch_size": 8}, env=outside.env, **options)
        self.outside = outside
        self.rates = []

    def train(self):
        with self.epoch(0):
            deadline = time.monotonic() + SECONDS
            for n in itertools.count():
                with self.batch(n):
                    self.rates.append(self.params["learning_rate"])
                if self.outside.is_content():
                    return "content"
                assert time.monotonic() < deadline

    def change_param(self, name, value):
        if name != "learning_rate":
            super().change_param(name, value)
        if not value > 0:
            raise ValueError("a learning rate is above 0")


class Listening(Callback):
    name = "listening"

    def __init__(self):
        self.heard = []

    def on_pause(self, context):
        self.heard.append("pause")

    def on_resume(self, context):
        self.heard.append(("resume", context.paused_ms))

    def on_params_changed(self, context, changed):
        self.heard.append(changed)


class Outside(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name
        self.env = {"TRAINYARD_ATTEMPT_DIR": self.directory}

    def is_content(self):
        return True

    def after_a_batch(self, act, until=lambda: False):
        """Acts once, when a batch is done; the program is content when `until` holds."""
        waiting = [act]

        def is_content():
            if waiting:
                waiting.pop()()
            return until()

        self.is_content = is_content

    def while_paused(self, act):
        """Acts in another thread, once the program has said that it stands still."""

        def wait():
            deadline = time.monotonic() + SECONDS
            while self.read("control.ack").get("word") != "pause" and time.monotonic() < deadline:
                time.sleep(0.005)
            act()

        other = threading.Thread(target=wait)
        other.start()
        self.addCleanup(other.join)

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(f"{path}.new", "w") as file:
            file.write(text)
        os.replace(f"{path}.new", path)

    def read(self, name):
        try:
            with open(os.path.join(self.directory, name)) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def ask(self, revision, **params):
        named = {name.replace("__", "."): value for name, value in params.items()}
        self.write("params-update.json", json.dumps({"revision": revision, "params": named}))

    def has_answered(self, revision):
        return self.read("params-update.ack.json").get("revision") == revision

    def save(self, path):
        with open(path, "w") as file:
            file.write("model")

    def checkpoint(self, **options):
        directory = os.path.join(self.directory, "checkpoints")
        return ModelCheckpoint(self.save, directory, env=self.env, every_epochs=100, **options)

    def test_is_told_at_once_that_the_program_looks(self):
        Steps(self).run()
        self.assertEqual(self.read("control.ack"), {"word": "run"})

    def test_changes_params_that_the_program_takes_and_hears_why_it_does_not_take_others(self):
        self.ask(3, learning_rate=0.01, batch_size=16)
        self.after_a_batch(lambda: self.ask(4, learning_rate=0.01, batch_size=-1), lambda: self.has_answered(4))
        listening = Listening()
        program = Steps(self, callbacks=[listening])
        program.run()
        self.assertEqual(listening.heard, [{"learning_rate": 0.01}])
        self.assertEqual((program.rates[0], program.rates[-1], program.params["batch_size"]), (0.01, 0.01, 8))
        answer = self.read("params-update.ack.json")
        self.assertEqual(answer["accepted"], {"learning_rate": 0.01})
        self.assertEqual(
            answer["rejected"], {"batch_size": "the program does not take another value of batch_size while it runs"}
        )

    def test_pauses_the_program_between_two_batches_and_lets_it_go_on(self):
        self.write("control", "pause\n")
        listening = Listening()
        self.while_paused(lambda: self.write("control", "run\n"))
        program = Steps(self, callbacks=[listening])
        self.assertEqual(program.run().result, "content")
        self.assertEqual((listening.heard[0], listening.heard[1][0]), ("pause", "resume"))
        self.assertEqual(self.read("control.ack"), {"word": "run", "step": 0})

    def test_that_pauses_the_program_may_cancel_it(self):
        self.write("control", "pause\n")
        program = Steps(self)
        self.while_paused(lambda: program.cancel("enough"))
        with self.assertRaises(BaseException) as caught:
            program.run()
        self.assertEqual((type(caught.exception).__name__, str(caught.exception)), ("RunCancelled", "enough"))

    def test_has_a_checkpoint_saved_now_that_is_kept_whatever_the_rule_says(self):
        self.ask(1, trainyard__save=1)
        self.is_content = lambda: self.has_answered(1)
        checkpoint = self.checkpoint(top_k=0, keep_last=False)
        directory = os.path.join(self.directory, "checkpoints")
        # It looks when the epoch begins, when there is nothing to save yet, and then between batches.
        Steps(self, callbacks=[checkpoint]).run()
        self.assertIn("nothing saves checkpoints", self.read("params-update.ack.json")["rejected"]["trainyard.save"])
        self.after_a_batch(lambda: self.ask(2, trainyard__save=2), lambda: self.has_answered(2))
        program = Steps(self, callbacks=[self.checkpoint(top_k=0, keep_last=False)])
        os.remove(os.path.join(self.directory, "params-update.json"))
        program.run()
        self.assertEqual(self.read("params-update.ack.json")["accepted"], {"trainyard.save": 2})
        self.assertEqual(len([name for name in os.listdir(directory) if name.endswith(".json")]), 1)

    def test_stops_the_run_which_is_no_failure(self):
        self.after_a_batch(lambda: self.ask(1, trainyard__stop="good enough"))
        outcome = Steps(self).run()
        self.assertEqual((outcome.status, outcome.reason), ("stopped", "good enough"))

    def test_wants_the_place_back_and_gets_a_checkpoint_and_the_end_of_the_process(self):
        self.after_a_batch(lambda: self.write("control", "release\n"))
        checkpoint = self.checkpoint()
        with self.assertRaises(SystemExit) as caught:
            Steps(self, callbacks=[checkpoint]).run()
        self.assertEqual(caught.exception.code, 0)
        answer = self.read("control.ack")
        self.assertEqual((answer["word"], answer["checkpoint"]), ("release", checkpoint.last.path))
        self.assertGreater(checkpoint.last.batches_of_epoch, 0)

    def test_that_writes_what_nobody_understands_changes_nothing(self):
        self.write("control", "dance\n")
        self.write("params-update.json", '{"revision": ')
        self.assertEqual(Steps(self).run().result, "content")
        self.assertEqual(self.read("control.ack"), {"word": "run"})


if __name__ == "__main__":
    unittest.main()
