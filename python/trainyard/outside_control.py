"""What people outside want of a program while it trains."""
from __future__ import annotations

import json
import time
from dataclasses import dataclass, fields
from typing import Any, Callable, Dict, Optional, Tuple

from .callback import Callback, CallbackContext, CallbackResume
from .callback_list import CallbackList
from .control_files import ControlFiles

#: Params by which people outside ask for something else than a value.
_SAVE, _STOP = "trainyard.save", "trainyard.stop"
#: From one look at the files to the next, while the program runs and while it is paused.
_LOOK_SECONDS = 0.02
_MAX_REASON = 1000


@dataclass(frozen=True)
class OutsideControlOptions:
    files: ControlFiles
    callbacks: CallbackList
    #: Waits so many seconds; raises when the program is to end.
    wait: Callable[[float], None]
    #: Takes a changed param over; raises when the program does not want it. The message is the reason.
    change: Callable[[str, Any], None]
    #: Ends the run so that another attempt can go on from what was saved.
    release: Callable[[], None]
    warn: Callable[[str], None]


class OutsideControl:
    """Looks where the program can do what is wanted: between two batches or epochs.

    It pauses, saves a checkpoint, stops, gives its place back, and takes over other params. What has become of each is
    answered.
    """

    def __init__(self, options: OutsideControlOptions) -> None:
        """Also says that it looks."""
        self._options = options
        #: Of each param the value that was asked for last, as JSON, and why it was refused.
        self._verdicts: Dict[str, Tuple[str, Optional[str]]] = {}
        self._looked_at: Optional[float] = None
        self._revision = 0
        self._try(lambda: options.files.answer("run"))

    def at_boundary(self, context: CallbackContext) -> None:
        """Raises what callbacks raise."""
        now = time.monotonic()
        if self._looked_at is not None and now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        update = self._options.files.param_update()
        if update is not None and update[0] != self._revision:
            self._take_over(*update, context)
        self._follow(self._options.files.word(), context)

    def _follow(self, word: str, context: CallbackContext) -> None:
        if word == "pause":
            self._pause(context)
        if word == "release":
            checkpoint = self._save(context)
            self._options.release()
            self._try(lambda: self._options.files.answer("release", context.level.step, checkpoint))

    def _pause(self, context: CallbackContext) -> None:
        files, step, began = self._options.files, context.level.step, time.monotonic()
        self._call(lambda each: each.on_pause(context))
        self._try(lambda: files.answer("pause", step))
        word = "pause"
        while word == "pause":
            self._options.wait(_LOOK_SECONDS)
            word = files.word()
        self._try(lambda: files.answer("run", step))
        paused_ms = round((time.monotonic() - began) * 1000)
        resumed = CallbackResume(**_plain(context), paused_ms=paused_ms)
        self._call(lambda each: each.on_resume(resumed))
        if word == "release":
            self._follow(word, context)

    def _save(self, context: CallbackContext) -> Optional[str]:
        """The path of the last checkpoint that was saved. Raises what saving raises."""
        saved: Optional[str] = None

        def ask(callback: Callback) -> None:
            nonlocal saved
            saved = callback.on_save_request(context) or saved

        self._call(ask)
        return saved

    def _take_over(self, revision: int, params: Dict[str, Any], context: CallbackContext) -> None:
        changed: Dict[str, Any] = {}
        accepted: Dict[str, Any] = {}
        rejected: Dict[str, str] = {}
        for name, value in params.items():
            text = json.dumps(value)
            before = self._verdicts.get(name)
            is_new = before is None or before[0] != text
            refusal = self._judge(name, value, context) if before is None or is_new else before[1]
            self._verdicts[name] = (text, refusal)
            if refusal is not None:
                rejected[name] = refusal[:_MAX_REASON]
                continue
            accepted[name] = value
            if is_new and name not in (_SAVE, _STOP):
                changed[name] = value
        self._revision = revision
        step = context.level.step
        self._try(lambda: self._options.files.answer_params(revision, accepted, rejected, step))
        if changed:
            self._call(lambda each: each.on_params_changed(context, changed))

    def _judge(self, name: str, value: Any, context: CallbackContext) -> Optional[str]:
        """Why it is not taken; None when it is."""
        try:
            if name == _STOP:
                context.stop(value if isinstance(value, str) and value else "somebody has stopped it")
            elif name == _SAVE:
                if self._save(context) is None:
                    return "nothing saves checkpoints in this program"
            else:
                self._options.change(name, value)
        except Exception as error:
            return str(error)
        return None

    def _call(self, hook: Callable[[Callback], object]) -> None:
        error = self._options.callbacks.call(hook).error
        if error is not None:
            raise error

    def _try(self, write: Callable[[], None]) -> None:
        """An answer that cannot be written ends no training."""
        try:
            write()
        except OSError as error:
            self._options.warn(f"Nobody outside can be answered: {error}")


def _plain(context: CallbackContext) -> Dict[str, Any]:
    """Without what is known of the end of its level."""
    return {each.name: getattr(context, each.name) for each in fields(CallbackContext)}
