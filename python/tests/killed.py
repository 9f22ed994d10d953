"""A program that is killed behind many values: what a tracker keeps that loses nothing."""
import signal
import subprocess
import sys

#: Step and value of each point that it has recorded of `train_loss` before.
POINTS = [(step, step / 2) for step in range(10_000)]

_PROGRAM = """
import os, signal, sys
from trainyard import FilesTracker, Pipeline, TrainyardTracker
class Killed(Pipeline):
    def train(self):
        with self.epoch(0):
            for step in range(10_000):
                self.track("train_loss", step / 2, step=step)
            os.kill(os.getpid(), signal.SIGKILL)
Killed(trackers=[{tracker}]).run()
"""


def run_killed(test, tracker, *arguments):
    """`tracker` is an expression that makes it of `sys.argv`."""
    command = [sys.executable, "-c", _PROGRAM.format(tracker=tracker), *arguments]
    test.assertEqual(subprocess.run(command, timeout=120).returncode, -signal.SIGKILL)
