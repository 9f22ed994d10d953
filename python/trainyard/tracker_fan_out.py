"""Hands everything that is recorded to all trackers."""
from __future__ import annotations

import copy
import time
from typing import Any, Mapping, Sequence

from .level import Level, LevelEnd
from .tracker import MetricRecord, Tracker
from .tracker_queue import MakeCall, QueueLimits, TrackerQueue, Warn


class TrackerFanOut:
    """None of its methods raises, or waits for more than a bounded time."""

    def __init__(self, trackers: Sequence[Tracker], warn: Warn, limits: QueueLimits = QueueLimits()) -> None:
        self._limits = limits
        self._queues = [TrackerQueue(tracker, warn, limits) for tracker in trackers]

    def start(self, level: Level) -> None:
        self._call(lambda tracker: tracker.on_start(level))

    def log_params(self, params: Mapping[str, Any]) -> None:
        copied = {name: _copied(value) for name, value in params.items()}
        self._call(lambda tracker: tracker.log_params(copied))

    def track(self, records: Sequence[MetricRecord]) -> None:
        if records:
            for queue in self._queues:
                queue.track(records)

    def end(self, level: Level, end: LevelEnd) -> None:
        self._call(lambda tracker: tracker.on_end(level, end))

    def flush(self) -> None:
        """Waits for each tracker to have taken in what it was told so far, for the time of `close_ms` together."""
        deadline = time.monotonic() + self._limits.close_ms / 1000
        for queue in self._queues:
            queue.flush(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """The end: waits as `flush` does, for all trackers side by side."""
        deadline = time.monotonic() + self._limits.close_ms / 1000
        for queue in self._queues:
            queue.begin_close()
        for queue in self._queues:
            queue.end_close(deadline)

    def _call(self, make: MakeCall) -> None:
        for queue in self._queues:
            queue.call(make)


def _copied(value: object) -> object:
    """A param as it is now: the program may change it while a tracker has not seen it yet."""
    try:
        return copy.deepcopy(value)
    except Exception:  # There is no copy of a lock or a connection.
        return repr(value)
