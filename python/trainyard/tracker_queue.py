"""Makes the calls of one tracker in a thread of its own, and keeps its faults to itself."""
from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Callable, Deque, List, Optional, Sequence, Union

from .tracker import MetricRecord, Tracker

MakeCall = Callable[[Tracker], object]
Warn = Callable[[str], None]

#: Faults of one tracker that are told one by one.
_MAX_TOLD = 3


@dataclass(frozen=True)
class QueueLimits:
    #: Calls that may wait; values beyond that are left out, and counted.
    max_waiting: int = 10_000
    #: How long one call may take before it is told of.
    call_ms: int = 30_000
    #: How long the program waits for a call of a tracker that is durable.
    durable_ms: int = 1_000
    #: How long the end of a run waits for a tracker.
    close_ms: int = 10_000


#: What waits: a call, values that are to be tracked, or the end of the thread.
Waiting = Union[MakeCall, Sequence[MetricRecord], None]


class TrackerQueue:
    """None of its methods waits for the tracker for long; `call` only for one that is durable."""

    def __init__(self, tracker: Tracker, warn: Warn, limits: QueueLimits) -> None:
        self._tracker = tracker
        self._warn = warn
        self._limits = limits
        self._waiting: Deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._call_began: Optional[float] = None
        self._is_late_told = False
        self._is_behind = False
        self._left_out = 0
        self._faults = 0
        self._thread = threading.Thread(target=self._work, name=f"trainyard {tracker.name}", daemon=True)
        self._thread.start()

    def call(self, make: MakeCall) -> None:
        """What begins and ends is never left out."""
        self._put(make, is_value=False)

    def track(self, records: Sequence[MetricRecord]) -> None:
        """Values may be left out of a tracker that is too slow."""
        self._put(records, is_value=True)

    def _put(self, waiting: Waiting, is_value: bool) -> None:
        self._tell_if_late()
        with self._changed:
            is_full = is_value and len(self._waiting) >= self._limits.max_waiting
            self._left_out += is_full
            is_first_left_out = is_full and self._left_out == 1
            if not is_full:
                self._waiting.append(waiting)
                self._changed.notify_all()
            fell_behind = self._tracker.is_durable and not self._is_behind and not self._taken_in_time()
        if is_first_left_out:
            self._tell("is too slow; values are left out of it")
        if fell_behind:
            self._tell(f"has not answered for {self._limits.durable_ms} ms; it is not waited for any more")

    def flush(self, seconds: float) -> bool:
        """Waits for all that was asked for so far, at most for this time. Whether it is done."""
        with self._changed:
            return self._changed.wait_for(self._is_idle, seconds)

    def begin_close(self) -> None:
        """Asks for the last call; the thread ends behind it."""
        with self._changed:
            self._waiting.extend((lambda tracker: tracker.close(), None))
            self._changed.notify_all()

    def end_close(self, deadline: float) -> None:
        """Waits for the end of the thread, at most until that instant of the monotonic clock."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            with self._changed:
                lost = sum(call is not None for call in self._waiting)
                self._waiting.clear()
                self._waiting.append(None)
            self._tell(f"has not ended within {self._limits.close_ms} ms; {lost} calls are lost")
        if self._left_out > 0:
            self._tell(f"lacks {self._left_out} values: it was too slow")
        if self._faults > _MAX_TOLD:
            self._tell(f"has failed {self._faults} times")

    def _is_idle(self) -> bool:
        return not self._waiting and self._call_began is None

    def _taken_in_time(self) -> bool:
        is_taken = self._changed.wait_for(self._is_idle, self._limits.durable_ms / 1000)
        self._is_behind = not is_taken
        return is_taken

    def _work(self) -> None:
        while True:
            with self._changed:
                self._call_began = None
                self._is_behind = self._is_behind and len(self._waiting) > 0
                self._changed.notify_all()
                self._changed.wait_for(lambda: len(self._waiting) > 0)
                make = self._next()
                if make is None:
                    return
                self._call_began = time.monotonic()
                self._is_late_told = False
            try:
                make(self._tracker)
            except BaseException as error:  # Also SystemExit: a tracker ends nothing.
                self._fault(f"has failed: {error}")

    def _next(self) -> Optional[MakeCall]:
        first = self._waiting.popleft()
        if first is None or callable(first):
            return first
        records: List[MetricRecord] = list(first)
        while self._waiting:
            following = self._waiting[0]
            if following is None or callable(following):
                break
            if len(records) + len(following) > self._tracker.joins_values:
                break
            records.extend(following)
            self._waiting.popleft()
        return lambda tracker: tracker.track(records)

    def _tell_if_late(self) -> None:
        began = self._call_began
        if began is None or self._is_late_told or (time.monotonic() - began) * 1000 < self._limits.call_ms:
            return
        self._is_late_told = True
        self._fault(f"has not answered for {self._limits.call_ms} ms")

    def _fault(self, what: str) -> None:
        self._faults += 1
        if self._faults <= _MAX_TOLD:
            self._tell(what)

    def _tell(self, what: str) -> None:
        self._warn(f'The tracker "{self._tracker.name}" {what}.')
