"""Lets a training loop be paused between two steps. See docs/guides/agents.md, "Pause"."""

import json
import os
import sys
import time


class StepControl:
    """Follows the file `control` of the attempt directory; does nothing outside Trainyard."""

    def __init__(self):
        self._dir = os.environ.get("TRAINYARD_ATTEMPT_DIR")
        self._answer("run")

    def at_step(self, step, save):
        """Call between two steps. `save()` writes a checkpoint and returns its path, or None."""
        word = self._word()
        if word == "pause":
            self._answer("pause", step=step)
            while self._word() == "pause":
                time.sleep(0.02)
            self._answer("run", step=step)
            word = self._word()
        if word == "release":
            checkpoint = save()
            named = {} if checkpoint is None else {"checkpoint": os.path.abspath(checkpoint)}
            self._answer("release", step=step, **named)
            sys.exit(0)

    def _word(self):
        if self._dir is None:
            return "run"
        try:
            with open(os.path.join(self._dir, "control")) as file:
                return file.read().strip()
        except FileNotFoundError:
            return "run"

    def _answer(self, word, **more):
        if self._dir is None:
            return
        path = os.path.join(self._dir, "control.ack")
        with open(path + ".tmp", "w") as file:
            json.dump({"word": word, **more}, file)
        os.replace(path + ".tmp", path)
