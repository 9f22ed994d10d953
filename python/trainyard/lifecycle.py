"""Opens and closes the levels of one run, on every path."""
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional

from .callback import CallbackContext, CallbackEnd
from .callback_list import CallbackList, HookResult
from .checkpoint import Checkpoint
from .endings import EpochStopped, LifecycleMisuse, RunCancelled, RunStopped
from .interrupts import Interrupts
from .level import OUTER, Level, LevelEnd, LevelKind, error_report
from .metric_scope import MetricScope
from .metric_value import MetricNumber
from .tracker import MetricRecord
from .tracker_fan_out import TrackerFanOut


@dataclass(frozen=True)
class LifecycleOptions:
    #: As they are now.
    params: Callable[[], Mapping[str, Any]]
    trackers: TrackerFanOut
    callbacks: CallbackList
    scopes: Mapping[LevelKind, MetricScope]
    interrupts: Interrupts
    warn: Callable[[str], None]
    resume_from: Optional[Checkpoint]
    #: Metrics of every so many batches are recorded.
    record_batches_every: int
    #: Where the program may be told something from outside: when an epoch begins, and behind each epoch and batch.
    at_boundary: Optional[Callable[[CallbackContext], None]]


class TrainingLifecycle:
    """Records the metrics of levels at their ends, and tells trackers and callbacks.

    The order is the same everywhere: the metrics are recorded, trackers are told of the end, callbacks are called,
    the scope is cleared.
    """

    def __init__(self, options: LifecycleOptions) -> None:
        self._options = options
        self._open: List[Level] = []
        self.stop_reason: Optional[str] = None
        self._epoch_stop_reason: Optional[str] = None
        #: Batches that the run has begun, with those of before the checkpoint that it resumes from.
        self.batches = 0
        #: Whether its place is to be given back, so that another attempt goes on from its checkpoint.
        self.is_released = False

    @property
    def current(self) -> Optional[Level]:
        """The innermost level that is open."""
        return self._open[-1] if self._open else None

    @property
    def outermost(self) -> Optional[Level]:
        """The run while it is open."""
        return self._open[0] if self._open else None

    @property
    def epoch(self) -> Optional[Level]:
        """The epoch that is open."""
        return self._open[1] if len(self._open) > 1 else None

    def is_open(self, level: Level) -> bool:
        return level in self._open

    def stop(self, reason: str) -> None:
        if self.stop_reason is None:
            self.stop_reason = reason

    def release(self) -> None:
        self.is_released = True
        self.stop("its place is given back; another attempt goes on from its checkpoint")

    def stop_epoch(self, reason: str) -> None:
        if self._epoch_stop_reason is None:
            self._epoch_stop_reason = reason

    def open(self, kind: LevelKind, index: int, step: Optional[int] = None) -> Level:
        """Raises LifecycleMisuse where there is no place for it, RunStopped or RunCancelled when it must not begin."""
        parent = self.current
        outer = OUTER[kind]
        if (None if parent is None else parent.kind) != outer:
            place = "no level is open" if parent is None else f"{parent} is open"
            rule = (
                "A run is the outermost level"
                if outer is None
                else f'A level "{kind}" begins inside of a level "{outer}"'
            )
            raise LifecycleMisuse(f"{rule}, but {place}.")
        if kind != "run":
            self._raise_if_ending()
        if kind == "epoch":
            self._epoch_stop_reason = None
        if kind == "batch":
            self.batches += 1
        level = Level(kind, index, parent, now_ms(), index if step is None else step)
        self._open.append(level)
        options = self._options
        options.scopes[kind].open()
        options.trackers.start(level)
        if kind == "run":
            options.trackers.log_params(options.params())
        return level

    def tell_start(self, level: Level) -> None:
        """Raises what callbacks raise, RunStopped and RunCancelled when it is not to go on."""
        context = self.context_of(level)
        callbacks, resume_from = self._options.callbacks, self._options.resume_from
        if level.kind == "run":
            _raise_failure(callbacks.call(lambda each: each.on_run_start(context)))
            if resume_from is not None:
                self.batches = resume_from.batches
                _raise_failure(callbacks.restore(resume_from, self._options.warn))
        if level.kind == "epoch":
            _raise_failure(callbacks.call(lambda each: each.on_epoch_start(context)))
            self._at_boundary(context)
        if level.kind == "batch":
            _raise_failure(callbacks.call(lambda each: each.on_batch_start(context)))
        # Whoever was told of the beginning may have had it ended.
        self._raise_if_ending(or_epoch=level.kind != "run")

    def end(self, level: Level, end: LevelEnd) -> None:
        """Closes a level, and those inside of it that were left open.

        Raises what callbacks raised, and RunStopped, EpochStopped or RunCancelled when the program is not to go on.
        """
        results = self._close_left(level, end)
        results.append(self._close(level, end))
        for result in results:
            _raise_failure(result)
        if level.kind == "run" or end.status in ("failed", "cancelled"):
            return
        self._raise_if_ending(or_epoch=level.kind == "batch")
        self._at_boundary(self.context_of(level))
        self._raise_if_ending(or_epoch=level.kind == "batch")

    def end_of(self, error: Optional[BaseException]) -> LevelEnd:
        """What becomes of a level whose part of the program has ended, or raised."""
        ended_at_ms = now_ms()
        if error is None:
            return LevelEnd("completed", ended_at_ms)
        if isinstance(error, (RunStopped, EpochStopped)):
            return LevelEnd("stopped", ended_at_ms, reason=str(error))
        if isinstance(error, RunCancelled):
            return LevelEnd("cancelled", ended_at_ms, reason=str(error))
        if isinstance(error, KeyboardInterrupt):
            return LevelEnd("cancelled", ended_at_ms, reason=str(error) or "the program was interrupted")
        if isinstance(error, GeneratorExit):
            return LevelEnd("stopped", ended_at_ms, reason="the program has left it")
        if isinstance(error, SystemExit) and error.code in (None, 0):
            return LevelEnd("cancelled", ended_at_ms, reason="the program has exited")
        return LevelEnd("failed", ended_at_ms, error=error_report(error))

    def context_of(self, level: Level) -> CallbackContext:
        return CallbackContext(**self._told(level))

    def _told(self, level: Level) -> Dict[str, Any]:
        options = self._options
        metrics = options.scopes[level.kind]

        def record(name: str, value: object) -> None:
            options.trackers.track([_record_of(level, name, metrics.number_of(name, value))])

        return {
            "params": options.params(),
            "level": level,
            "metrics": metrics,
            "record": record,
            "callback_states": options.callbacks.states,
            "stop": self.stop,
            "stop_epoch": self.stop_epoch,
            "warn": options.warn,
        }

    def _at_boundary(self, context: CallbackContext) -> None:
        if self._options.at_boundary is not None:
            self._options.at_boundary(context)

    def _close_left(self, level: Level, end: LevelEnd) -> List[HookResult]:
        """What is still open inside ends too: by the program's fault, unless it was torn out of it."""
        if not self.is_open(level):
            raise LifecycleMisuse(f"{level} is not open.")
        results = []
        while (inner := self._open[-1]) is not level:
            if end.status == "completed":
                reason = f"{inner} was not ended; it ends with {level}"
                self._options.warn(f"{reason}.")
                results.append(self._close(inner, LevelEnd("failed", end.ended_at_ms, reason=reason)))
            else:
                results.append(self._close(inner, end))
        return results

    def _close(self, level: Level, end: LevelEnd) -> HookResult:
        self._open.pop()
        trackers, scopes = self._options.trackers, self._options.scopes
        if level.kind != "batch" or self.batches % self._options.record_batches_every == 0:
            trackers.track(self._records_of(level))
        trackers.end(level, end)
        result = self._tell_end(level, end)
        scopes[level.kind].close()
        if result.stopped_by is not None:
            self.stop(f'the callback "{result.stopped_by}" said so')
        return result

    def _tell_end(self, level: Level, end: LevelEnd) -> HookResult:
        context = CallbackEnd(**self._told(level), end=end)
        callbacks = self._options.callbacks
        if level.kind == "run":
            return callbacks.call(lambda each: each.on_run_end(context))
        if end.status in ("failed", "cancelled"):
            return HookResult()
        if level.kind == "epoch":
            return callbacks.call(lambda each: each.on_epoch_end(context))
        return callbacks.call(lambda each: each.on_batch_end(context))

    def _records_of(self, level: Level) -> List[MetricRecord]:
        return [_record_of(level, name, number) for name, number in self._options.scopes[level.kind].items()]

    def _raise_if_ending(self, or_epoch: bool = False) -> None:
        self._options.interrupts.raise_if_cancelled()
        if self.stop_reason is not None:
            raise RunStopped(self.stop_reason)
        if or_epoch and self._epoch_stop_reason is not None:
            raise EpochStopped(self._epoch_stop_reason)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def _record_of(level: Level, name: str, number: MetricNumber) -> MetricRecord:
    epoch = level.parent if level.kind == "batch" else level if level.kind == "epoch" else None
    return MetricRecord(
        name=name,
        value=number.total,
        step=level.step,
        epoch=None if epoch is None else epoch.index,
        batch=level.index if level.kind == "batch" else None,
        of=level.kind,
        time_ms=now_ms(),
        labels=number.labels,
    )


def _raise_failure(result: HookResult) -> None:
    if result.error is not None:
        raise result.error
