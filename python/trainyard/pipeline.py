"""The base class of training programs."""
from __future__ import annotations

import logging
import operator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Callable, Generic, Literal, Mapping, Optional, Sequence, TypeVar, Union, cast, overload

from .callback import Callback
from .callback_list import CallbackList
from .catalogue import MetricCatalogue, MetricKind
from .checkpoint import Checkpoint
from .endings import LifecycleMisuse, RunStopped
from .interrupts import Interrupts
from .level import Level, LevelEnd, LevelStatus
from .level_scope import LevelScope
from .lifecycle import LifecycleOptions, TrainingLifecycle, now_ms
from .metric_scope import MetricScope
from .metric_value import to_metric_number
from .tracker import MetricRecord, Tracker
from .tracker_fan_out import TrackerFanOut
from .wrappers import require_wrapped

Result = TypeVar("Result")
Body = Callable[[], object]


@dataclass(frozen=True)
class RunOutcome(Generic[Result]):
    """How a run has ended; one that failed or was cancelled raises instead."""

    status: Literal["completed", "stopped"]
    #: What the program returned; None when it was stopped before that.
    result: Optional[Result]
    #: Why it was stopped.
    reason: Optional[str]


class Pipeline(Generic[Result]):
    """A training program.

    A subclass writes `train()`, and in it opens an epoch by `with self.epoch(n):`, and a batch, if it likes, by
    `with self.batch(n):`. `run()` carries it out: it records metrics at the end of the scope they were set in, tells
    trackers and callbacks, and closes everything on every path.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Raises LifecycleMisuse when the subclass would run unrecorded."""
        super().__init_subclass__(**kwargs)
        require_wrapped(cls, Pipeline.run)

    def __init__(
        self,
        *,
        params: Optional[Mapping[str, Any]] = None,
        metrics: Optional[Mapping[str, MetricKind]] = None,
        trackers: Sequence[Tracker] = (),
        callbacks: Sequence[Callback] = (),
        resume_from: Optional[Checkpoint] = None,
        handle_signals: bool = True,
        warn: Optional[Callable[[str], None]] = None,
    ) -> None:
        """`metrics` are those of the program's own; `warn` takes warnings, the logger `trainyard` if left out.

        With `resume_from` callbacks go on from what they had there. The program loads its own part of it.
        """
        if type(self).run is Pipeline.run and type(self).train is Pipeline.train:
            raise LifecycleMisuse(f"{type(self).__name__} has no train(), which run() calls; write one.")
        self.params: Mapping[str, Any] = MappingProxyType(dict(params or {}))
        self._catalogue = MetricCatalogue(metrics)
        #: Recorded at the end of the run.
        self.run_metrics = MetricScope(self._catalogue, "run")
        #: Recorded at the end of an epoch with its number as step, and empty then.
        self.epoch_metrics = MetricScope(self._catalogue, "epoch")
        #: Recorded at the end of a batch with its number as step, and empty then.
        self.batch_metrics = MetricScope(self._catalogue, "batch")
        self._trackers_given = tuple(trackers)
        self._callbacks = CallbackList(callbacks)
        self._resume_from = resume_from
        self._handle_signals = handle_signals
        self._warn = warn or logging.getLogger("trainyard").warning
        self._interrupts = Interrupts()
        self._trackers: Optional[TrackerFanOut] = None
        self._lifecycle: Optional[TrainingLifecycle] = None

    def train(self) -> Result:
        """What the program does. What it returns is the result of the run."""
        raise NotImplementedError

    def run(self) -> RunOutcome[Result]:
        """Carries the program out once.

        Raises what the program or a callback raises, when all was recorded; RunCancelled when it was cancelled,
        KeyboardInterrupt at SIGINT.
        """
        return self._carry_out(self.train)

    @overload
    def epoch(self, index: int) -> LevelScope: ...
    @overload
    def epoch(self, index: int, body: Body) -> LevelStatus: ...
    def epoch(self, index: int, body: Optional[Body] = None) -> Union[LevelScope, LevelStatus]:
        """One epoch, as `with self.epoch(n):` or of a function. Its number is the step of its metrics.

        Raises what its body raises, and RunStopped when the run is to end.
        """
        return self._scope("epoch", index, body)

    @overload
    def batch(self, index: int) -> LevelScope: ...
    @overload
    def batch(self, index: int, body: Body) -> LevelStatus: ...
    def batch(self, index: int, body: Optional[Body] = None) -> Union[LevelScope, LevelStatus]:
        """One batch of an epoch. Raises as `epoch`, and EpochStopped when the epoch is to end."""
        return self._scope("batch", index, body)

    def begin_epoch(self, index: int) -> Level:
        """Begins an epoch that `end_epoch` ends, for programs whose loop is not their own."""
        with self._interrupts.whole():
            level = self._running.open("epoch", operator.index(index))
            self._running.tell_start(level)
        return level

    def end_epoch(self) -> None:
        """Raises LifecycleMisuse when no epoch is open, RunStopped when the run is to end."""
        with self._interrupts.whole():
            level = self._running.epoch
            if level is None:
                raise LifecycleMisuse("There is no open epoch to end.")
            self._running.end(level, LevelEnd("completed", now_ms()))

    def track(self, name: str, value: object, *, step: Optional[int] = None) -> None:
        """Records a value at once. Its step is the number of the epoch if left out.

        Raises UnknownMetric, NotAMetric, and ValueError when the step is no whole number.
        """
        with self._interrupts.whole():
            current, epoch = self._running.current, self._running.epoch
            number = to_metric_number(name, value, self._catalogue.kind_of(name))
            record = MetricRecord(
                name=name,
                value=number.total,
                step=_whole_step(name, step) if step is not None else 0 if epoch is None else epoch.index,
                epoch=None if epoch is None else epoch.index,
                batch=current.index if current is not None and current.kind == "batch" else None,
                of=None,
                time_ms=now_ms(),
                labels=number.labels,
            )
            self._told.track([record])

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Tells all trackers of params, beside those of the pipeline, which are logged when it starts."""
        with self._interrupts.whole():
            self._told.log_params(params)

    def stop(self, reason: str) -> None:
        """Ends the run, `stopped`, at the end of this batch or epoch."""
        self._running.stop(reason)

    def stop_epoch(self, reason: str) -> None:
        """Ends this epoch at the end of this batch."""
        self._running.stop_epoch(reason)

    def cancel(self, reason: str) -> None:
        """Ends the run, `cancelled`, where it next opens or closes a scope or records a value. For any thread."""
        self._interrupts.cancel(reason)

    @property
    def _running(self) -> TrainingLifecycle:
        if self._lifecycle is None or self._lifecycle.outermost is None:
            raise LifecycleMisuse("The pipeline does not run: call run() first.")
        return self._lifecycle

    @property
    def _told(self) -> TrackerFanOut:
        if self._trackers is None:
            raise LifecycleMisuse("The pipeline does not run: call run() first.")
        return self._trackers

    @overload
    def _scope(self, kind: Literal["epoch", "batch"], index: int, body: None) -> LevelScope: ...
    @overload
    def _scope(self, kind: Literal["epoch", "batch"], index: int, body: Body) -> LevelStatus: ...
    def _scope(
        self, kind: Literal["epoch", "batch"], index: int, body: Optional[Body]
    ) -> Union[LevelScope, LevelStatus]:
        scope = LevelScope(self._running, self._interrupts, kind, operator.index(index))
        if body is None:
            return scope
        with scope:
            body()
        return scope.status

    def _carry_out(self, body: Callable[[], Result]) -> RunOutcome[Result]:
        if self._lifecycle is not None:
            raise LifecycleMisuse("A pipeline runs once; make another one.")
        self._trackers = TrackerFanOut(self._trackers_given, self._warn)
        self._lifecycle = TrainingLifecycle(
            LifecycleOptions(
                params=self.params,
                trackers=self._trackers,
                callbacks=self._callbacks,
                scopes={"run": self.run_metrics, "epoch": self.epoch_metrics, "batch": self.batch_metrics},
                interrupts=self._interrupts,
                warn=self._warn,
                resume_from=self._resume_from,
            )
        )
        self._interrupts.begin(self._handle_signals)
        try:
            outcome = self._conduct(self._lifecycle, body)
        finally:
            self._trackers.close()
            self._interrupts.give_back()
        # Whoever interrupts the end of a run is heard, too.
        self._interrupts.raise_if_cancelled()
        return outcome

    def _conduct(self, lifecycle: TrainingLifecycle, body: Callable[[], Result]) -> RunOutcome[Result]:
        failure: Optional[BaseException] = None
        result: Optional[Result] = None
        level = lifecycle.open("run", 0)
        try:
            lifecycle.tell_start(level)
            with self._interrupts.program():
                result = body()
            if lifecycle.stop_reason is not None:
                failure = RunStopped(lifecycle.stop_reason)
        except BaseException as error:
            failure = error
        end = lifecycle.end_of(failure)
        self._end_run(lifecycle, level, end, failure)
        if failure is not None and end.status != "stopped":
            raise failure
        return RunOutcome(cast(Literal["completed", "stopped"], end.status), result, end.reason)

    def _end_run(
        self, lifecycle: TrainingLifecycle, level: Level, end: LevelEnd, failure: Optional[BaseException]
    ) -> None:
        interrupt: Optional[BaseException] = None
        if failure is not None and end.status == "failed":
            context, error = lifecycle.context_of(level), failure
            told = self._callbacks.call(lambda each: each.on_exception(context, error))
            if isinstance(told.error, Exception):
                name = type(told.error).__name__
                self._warn(f"A callback has failed while it was told of the failure: {name}: {told.error}")
            else:
                interrupt = told.error
        lifecycle.end(level, end)
        if interrupt is not None:
            raise interrupt


def _whole_step(name: str, step: int) -> int:
    try:
        return operator.index(step)
    except TypeError:
        raise ValueError(f'The step of "{name}" is {step}, not a whole number.') from None
