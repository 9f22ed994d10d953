"""SIGINT and SIGTERM, and the wish of others that the program ends."""
from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from types import FrameType
from typing import Any, Dict, Iterator, Optional

from .endings import RunCancelled

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Raises RunCancelled, or KeyboardInterrupt at SIGINT, where the program is, unless that would tear a level while it is opened or closed.

    A signal reaches code of the program's own at once, also while it waits. While levels are opened and closed it
    is kept until that is done. A second signal has the effect that it has without us. In threads other than the main
    one Python gives no signals.
    """

    def __init__(self) -> None:
        self._pending: Optional[BaseException] = None
        self._is_program = False
        self._thread: Optional[int] = None
        self._process = 0
        self._earlier: Dict[int, Any] = {}

    def begin(self, handle_signals: bool) -> None:
        """The program runs in this thread from now on."""
        self._thread = threading.get_ident()
        self._process = os.getpid()
        if not handle_signals or threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            self._earlier[number] = signal.getsignal(number)
            signal.signal(number, self._on_signal)

    def give_back(self) -> None:
        """Gives the signals of the process back."""
        while self._earlier:
            number, handler = self._earlier.popitem()
            # A handler that was not set from Python cannot be set from it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def cancel(self, reason: str) -> None:
        """The program ends where it next opens or closes a level, or anything is asked of its pipeline."""
        if self._pending is None:
            self._pending = RunCancelled(reason)

    def raise_if_cancelled(self) -> None:
        if self._pending is not None:
            raise self._pending

    def wait(self, seconds: float) -> None:
        """Raises as `raise_if_cancelled`, before and behind it."""
        self.raise_if_cancelled()
        time.sleep(seconds)
        self.raise_if_cancelled()

    @contextmanager
    def program(self) -> Iterator[None]:
        """Code of the program's own, which a signal may end anywhere."""
        self._is_program = True
        try:
            self.raise_if_cancelled()
            yield
        finally:
            self._is_program = False

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Something that is called by the program, and that no signal may end before it is done."""
        if threading.get_ident() != self._thread:
            yield
            return
        was_program, self._is_program = self._is_program, False
        try:
            yield
        finally:
            self._is_program = was_program
        if was_program:
            self.raise_if_cancelled()

    def _on_signal(self, number: int, _frame: Optional[FrameType]) -> None:
        self.give_back()
        if os.getpid() != self._process:
            # A process that was forked inside of the program, such as a loader of data, has no run to end.
            os.kill(os.getpid(), number)
            return
        name = signal.Signals(number).name
        kind = KeyboardInterrupt if number == signal.SIGINT else RunCancelled
        if self._pending is None:
            self._pending = kind(f"the program got {name}")
        if self._is_program:
            raise self._pending
