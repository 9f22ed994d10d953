"""What is Python's own: context managers, decorators, signals, errors with their place."""
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import unittest

import trainyard
from trainyard import (
    Callback,
    LifecycleMisuse,
    Pipeline,
    RunCancelled,
    RunStopped,
    Tracker,
    batch_wrapper,
    epoch_wrapper,
    run_wrapper,
)


class Ends(Tracker):
    def __init__(self):
        self.ends = []

    def track(self, records):
        self.ends.extend(f"{record.name}={record.value:g}@{record.step}" for record in records)

    def on_end(self, level, end):
        self.ends.append(f"{level}: {end.status}")


class Levels(Tracker):
    """Which levels are open, and which were closed that were not the innermost."""

    def __init__(self):
        self.open = []
        self.wrong = []

    def on_start(self, level):
        self.open.append(level)

    def on_end(self, level, end):
        if self.open.pop() is not level:
            self.wrong.append(level)


class Program(Pipeline):
    """A pipeline whose program is given as a function."""

    def __init__(self, body, **options):
        super().__init__(**options)
        self.body = body

    def train(self):
        return self.body(self)


def ends_of(body, **options):
    tracker = Ends()
    error = None
    try:
        Program(body, trackers=[tracker], **options).run()
    except BaseException as caught:
        error = caught
    return tracker.ends, error


def ends_of_nobody(body):
    """Without a tracker there is no thread, beside which a process should not be forked."""
    try:
        return Program(body).run(), None
    except BaseException as caught:
        return None, caught


class Scopes(unittest.TestCase):
    def test_are_context_managers_that_say_how_they_ended(self):
        statuses = []

        def body(p):
            for n in range(2):
                scope = p.epoch(n)
                with scope as level:
                    self.assertEqual((level.kind, level.index), ("epoch", n))
                    for b in range(5):
                        with p.batch(b):
                            if n == 0 and b == 1:
                                p.stop_epoch("short")
                statuses.append(scope.status)

        ends, error = ends_of(body)
        self.assertIsNone(error)
        self.assertEqual(statuses, ["stopped", "completed"])
        self.assertEqual(len([end for end in ends if end.startswith("batch")]), 7)

    def test_take_a_function_too_and_answer_the_status(self):
        statuses = []
        ends_of(lambda p: statuses.append(p.epoch(0, lambda: p.batch(0, lambda: p.stop_epoch("short")))))
        self.assertEqual(statuses, ["stopped"])

    def test_a_stop_passes_a_program_that_handles_its_own_errors(self):
        def body(p):
            with p.epoch(0):
                p.epoch_metrics["train_loss"] = 1
                for b in range(3):
                    try:
                        with p.batch(b):
                            p.stop("enough")
                    except Exception:
                        self.fail("a stop is no Exception")

        ends, error = ends_of(body)
        self.assertIsNone(error)
        self.assertEqual(ends, ["batch 0: completed", "train_loss=1@0", "epoch 0: stopped", "the run: stopped"])
        self.assertFalse(issubclass(RunStopped, Exception))

    def test_are_closed_though_a_generator_with_one_is_left(self):
        def epochs(p):
            with p.epoch(0):
                yield

        def body(p):
            left = epochs(p)
            next(left)
            raise ValueError("lost")

        ends, error = ends_of(body)
        self.assertEqual(ends[-2:], ["epoch 0: failed", "the run: failed"])
        self.assertIsInstance(error, ValueError)

    def test_in_a_generator_end_as_stopped_when_the_program_leaves_it(self):
        def epochs(p):
            for n in range(3):
                with p.epoch(n):
                    yield n

        def body(p):
            going = epochs(p)
            for n in going:
                if n == 1:
                    break
            going.close()

        ends, error = ends_of(body)
        self.assertIsNone(error)
        self.assertEqual(ends, ["epoch 0: completed", "epoch 1: stopped", "the run: completed"])

    def test_do_not_go_on_behind_the_run(self):
        pipeline = Program(lambda p: None)
        pipeline.run()
        for ask in (lambda: pipeline.epoch(0), lambda: pipeline.track("val_loss", 1), lambda: pipeline.stop("x")):
            with self.assertRaisesRegex(LifecycleMisuse, "does not run"):
                ask()
        with self.assertRaisesRegex(LifecycleMisuse, "runs once"):
            pipeline.run()

    def test_a_step_is_a_whole_number(self):
        _, error = ends_of(lambda p: p.track("val_loss", 1, step=1.5))
        self.assertIsInstance(error, ValueError)
        self.assertIn("1.5, not a whole number", str(error))


class Wrappers(unittest.TestCase):
    def test_do_for_methods_what_scopes_do(self):
        class Older(Pipeline):
            @run_wrapper
            def run(self):
                self.run_metrics["test_acc"] = 1
                return {"statuses": [self.run_epoch(n) for n in range(2)]}

            @epoch_wrapper
            def run_epoch(self, epoch):
                for batch in range(2):
                    self.run_batch("some data", batch=batch)
                self.epoch_metrics["val_loss"] = epoch

            @batch_wrapper
            def run_batch(self, data, batch):
                self.batch_metrics["train_loss"] = batch
                if batch == 0:
                    self.stop_epoch("short")

        tracker = Ends()
        outcome = Older(trackers=[tracker]).run()
        self.assertEqual(outcome.status, "completed")
        self.assertEqual(outcome.result, {"statuses": ["stopped", "stopped"]})
        self.assertEqual(tracker.ends[:3], ["train_loss=0@0", "batch 0: completed", "epoch 0: stopped"])
        self.assertEqual(tracker.ends[-2:], ["test_acc=1@0", "the run: completed"])

    def test_a_class_that_would_run_unrecorded_is_refused_when_it_is_made(self):
        with self.assertRaisesRegex(LifecycleMisuse, "Bad overrides run.. without @run_wrapper"):

            class Bad(Pipeline):
                def run(self):
                    return None

        class Good(Pipeline):
            @run_wrapper
            def run(self):
                return 1

        with self.assertRaisesRegex(LifecycleMisuse, "Worse overrides run"):

            class Worse(Good):
                def run(self):
                    return super().run()

        class Mixin:
            def run(self):
                return None

        with self.assertRaisesRegex(LifecycleMisuse, "Mixed overrides run"):

            class Mixed(Mixin, Pipeline):
                def train(self):
                    return None

    def test_epochs_and_batches_that_would_not_be_recorded_are_refused_too(self):
        for name, wrapper in (("run_epoch", "epoch_wrapper"), ("run_batch", "batch_wrapper")):
            with self.assertRaisesRegex(LifecycleMisuse, f"{name}.. would not be recorded; put @{wrapper}"):
                type("Bad", (Pipeline,), {name: lambda self, n: None})
        with self.assertRaisesRegex(LifecycleMisuse, "takes no number of the epoch"):
            epoch_wrapper(lambda self: None)

    def test_a_pipeline_without_a_program_is_refused(self):
        with self.assertRaisesRegex(LifecycleMisuse, "has no train"):
            Pipeline()


class Errors(unittest.TestCase):
    def test_say_where_file_line_function_and_type(self):
        reports = []

        class Looks(Callback):
            def on_run_end(self, context):
                reports.append(context.end.error)

        def trains_badly(p):
            with p.epoch(0):
                import json

                json.loads("no json")

        ends_of(trains_badly, callbacks=[Looks()])
        report = reports[0]
        self.assertEqual((report.type, report.function), ("JSONDecodeError", "trains_badly"))
        self.assertEqual(os.path.basename(report.file), "test_pipeline.py")
        self.assertIsInstance(report.line, int)
        self.assertIn("Traceback", report.stack)

    def test_an_exit_of_the_program_is_not_swallowed(self):
        ends, error = ends_of(lambda p: sys.exit(3))
        self.assertIsInstance(error, SystemExit)
        self.assertEqual(ends, ["the run: failed"])
        ends, error = ends_of(lambda p: sys.exit(0))
        self.assertEqual(ends, ["the run: cancelled"])

    def test_an_interrupt_in_a_callback_is_not_swallowed(self):
        class Interrupted(Callback):
            def on_epoch_end(self, context):
                raise KeyboardInterrupt

        ends, error = ends_of(lambda p: p.epoch(0, lambda: None), callbacks=[Interrupted()])
        self.assertIsInstance(error, KeyboardInterrupt)
        self.assertEqual(ends, ["epoch 0: completed", "the run: cancelled"])


class Signals(unittest.TestCase):
    def waiting(self, number):
        def body(p):
            with p.epoch(0):
                p.epoch_metrics["train_loss"] = 1
                with p.batch(0):
                    threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
                    time.sleep(60)

        began = time.monotonic()
        ends, error = ends_of(body)
        self.assertLess(time.monotonic() - began, 1 + 0.05)
        return ends, error

    def test_sigterm_reaches_a_program_that_waits_within_a_second(self):
        before = signal.getsignal(signal.SIGTERM)
        ends, error = self.waiting(signal.SIGTERM)
        self.assertIs(type(error), RunCancelled)
        self.assertEqual(
            ends, ["batch 0: cancelled", "train_loss=1@0", "epoch 0: cancelled", "the run: cancelled"]
        )
        self.assertIs(signal.getsignal(signal.SIGTERM), before)

    def test_sigint_is_a_keyboard_interrupt(self):
        ends, error = self.waiting(signal.SIGINT)
        self.assertIs(type(error), KeyboardInterrupt)
        self.assertEqual(ends[-1], "the run: cancelled")

    def test_a_signal_while_a_level_is_closed_waits_until_it_is(self):
        told = []

        class Signalled(Callback):
            def on_epoch_end(self, context):
                os.kill(os.getpid(), signal.SIGINT)
                told.append("goes on")

        ends, error = ends_of(lambda p: p.epoch(0, lambda: None), callbacks=[Signalled()])
        self.assertEqual(told, ["goes on"])
        self.assertIsInstance(error, KeyboardInterrupt)
        self.assertEqual(ends, ["epoch 0: completed", "the run: cancelled"])

    def test_one_at_the_very_end_of_a_run_is_raised(self):
        class Signalled(Callback):
            def on_run_end(self, context):
                os.kill(os.getpid(), signal.SIGINT)

        ends, error = ends_of(lambda p: None, callbacks=[Signalled()])
        self.assertEqual(ends, ["the run: completed"])
        self.assertIsInstance(error, KeyboardInterrupt)

    def test_at_any_moment_leaves_every_level_closed_once(self):
        chance = random.Random(1)
        for _ in range(100):
            tracker, started = Levels(), threading.Event()
            number = chance.choice([signal.SIGINT, signal.SIGTERM])
            delay = chance.random() * 0.003

            def send():
                started.wait()
                at = time.perf_counter() + delay
                while time.perf_counter() < at:
                    time.sleep(0)
                os.kill(os.getpid(), number)

            def body(p):
                started.set()
                for n in range(1_000_000):
                    with p.epoch(n):
                        for b in range(3):
                            with p.batch(b):
                                p.batch_metrics["train_loss"] = b
                                p.track("learning_rate", b)

            sender = threading.Thread(target=send)
            sender.start()
            with self.assertRaises((KeyboardInterrupt, RunCancelled)):
                Program(body, trackers=[tracker]).run()
            sender.join()
            self.assertEqual((tracker.open, tracker.wrong), ([], []))

    def test_a_process_that_was_forked_ends_as_without_us(self):
        ended = []

        def body(p):
            with p.epoch(0):
                ready, tell = os.pipe()
                child = os.fork()
                if child == 0:
                    try:
                        os.write(tell, b"1")
                        time.sleep(60)
                    finally:
                        os._exit(1)
                os.read(ready, 1)
                os.kill(child, signal.SIGTERM)
                os.close(ready)
                os.close(tell)
                ended.append(os.waitpid(child, 0)[1])

        _, error = ends_of_nobody(body)
        self.assertIsNone(error)
        self.assertEqual([os.WTERMSIG(status) for status in ended], [signal.SIGTERM])

    def test_a_run_in_another_thread_is_cancelled_by_a_call(self):
        started = threading.Event()
        found = []

        def body(p):
            n = 0
            while True:
                with p.epoch(n):
                    started.set()
                n += 1

        tracker = Ends()
        pipeline = Program(body, trackers=[tracker])

        def run():
            try:
                pipeline.run()
            except RunCancelled as error:
                found.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        self.assertTrue(started.wait(10))
        pipeline.cancel("no longer wanted")
        thread.join(10)
        self.assertEqual(found, ["no longer wanted"])
        self.assertEqual(tracker.ends[-1], "the run: cancelled")

    def test_an_interrupted_program_ends_as_any_other_in_python(self):
        program = """
            import os, signal, sys, trainyard
            class P(trainyard.Pipeline):
                def train(self):
                    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
            P().run()
        """
        for name, code in (("SIGINT", -signal.SIGINT), ("SIGTERM", 1)):
            done = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(program), name],
                env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(trainyard.__file__))},
                stderr=subprocess.PIPE,
                timeout=30,
            )
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(b"the program got " + name.encode(), done.stderr)


if __name__ == "__main__":
    unittest.main()
