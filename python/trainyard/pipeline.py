"""The base class of training programs."""
from __future__ import annotations

import functools
import logging
import operator
import os
import sys
from types import MappingProxyType
from typing import Any, Callable, Generic, Iterable, Literal, Mapping, Optional, Sequence, TypeVar, Union, overload

from .callback import Callback
from .callback_list import CallbackList
from .catalogue import MetricCatalogue, MetricKind
from .checkpoint import Checkpoint
from .control_files import ControlFiles
from .endings import LifecycleMisuse
from .interrupts import Interrupts
from .level import Level, LevelEnd, LevelStatus
from .level_scope import LevelScope
from .lifecycle import LifecycleOptions, TrainingLifecycle, now_ms
from .metric_scope import MetricScope
from .metric_value import to_metric_number
from .outside_control import OutsideControl, OutsideControlOptions
from .run_conduct import RunOutcome, conduct
from .tracker import MetricRecord, Tracker
from .tracker_fan_out import TrackerFanOut
from .training_loop import EpochProgress, TrainingLoop
from .wrappers import require_wrapped

Result = TypeVar("Result")
Batch = TypeVar("Batch")
Body = Callable[[], object]
InnerKind = Literal["epoch", "batch"]


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
        record_batches_every: int = 1,
        handle_signals: bool = True,
        env: Optional[Mapping[str, str]] = None,
        warn: Optional[Callable[[str], None]] = None,
    ) -> None:
        """`metrics` are those of the program's own; `warn` takes warnings, the logger `trainyard` if left out.

        With `resume_from` callbacks go on from what they had there. The program loads its own part of it. Metrics of
        batches are recorded for every so many of them; those of epochs and runs always are. In `env` is looked up
        TRAINYARD_ATTEMPT_DIR, in which people outside pause the run and change its params.
        """
        if type(self).run is Pipeline.run and type(self).train is Pipeline.train:
            raise LifecycleMisuse(f"{type(self).__name__} has no train(), which run() calls; write one.")
        if not isinstance(record_batches_every, int) or record_batches_every < 1:
            raise ValueError(f"record_batches_every is a number of batches, at least 1, not {record_batches_every}.")
        self._catalogue = MetricCatalogue(metrics)
        self._params: Mapping[str, Any] = MappingProxyType(dict(params or {}))
        #: Recorded at the end of the run.
        self.run_metrics = MetricScope(self._catalogue, "run")
        #: Recorded at the end of an epoch with its number as step, and empty then.
        self.epoch_metrics = MetricScope(self._catalogue, "epoch")
        #: Recorded at the end of a batch with its number as step, and empty then.
        self.batch_metrics = MetricScope(self._catalogue, "batch")
        self._trackers_given = tuple(trackers)
        self._progress = EpochProgress(self.epoch_metrics, resume_from)
        self._callbacks = CallbackList([self._progress, *callbacks])
        self._resume_from = resume_from
        self._record_batches_every = record_batches_every
        self._env = os.environ if env is None else env
        self._handle_signals = handle_signals
        self._warn = warn or logging.getLogger("trainyard").warning
        self._interrupts = Interrupts()
        self._trackers: Optional[TrackerFanOut] = None
        self._lifecycle: Optional[TrainingLifecycle] = None

    @property
    def params(self) -> Mapping[str, Any]:
        """As they were given, and as they were changed since (`change_param`)."""
        return self._params

    def train(self) -> Result:
        """What the program does. What it returns is the result of the run."""
        raise NotImplementedError

    def run(self) -> RunOutcome[Result]:
        """Carries the program out once.

        Raises what the program or a callback raises, when all was recorded; RunCancelled when it was cancelled,
        KeyboardInterrupt at SIGINT; SystemExit with code 0 when somebody wants its place back.
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
    def batch(self, index: int, *, step: Optional[int] = None) -> LevelScope: ...
    @overload
    def batch(self, index: int, body: Body, *, step: Optional[int] = None) -> LevelStatus: ...
    def batch(
        self, index: int, body: Optional[Body] = None, *, step: Optional[int] = None
    ) -> Union[LevelScope, LevelStatus]:
        """One batch of an epoch. The step of its metrics is its number if left out.

        Raises as `epoch`, and EpochStopped when the epoch is to end.
        """
        return self._scope("batch", index, body, step)

    def each_epoch(self, count: int, body: Callable[[int], object]) -> None:
        """`count` epochs, each as `epoch` does it.

        A run that resumes goes on behind the epochs that were done, or in the epoch that was not. Raises as `epoch`, and
        ValueError when fewer are asked for than are done.
        """
        for index in range(self._loop.first_epoch(count), count):
            self.epoch(index, functools.partial(body, index))

    def each_batch(self, source: Iterable[Batch], body: Callable[[Batch, int], object]) -> None:
        """All batches of the epoch that is open, each as `batch` does it, with their number in the run as step.

        A run that resumes in the middle of this epoch goes on behind those that were done; a source with a method
        `batches_of(epoch, first)`, such as SeededBatches, begins there. Raises as `batch`, and ValueError when the data
        has another length than that of before the checkpoint.
        """
        epoch = self._running.epoch
        if epoch is None:
            raise LifecycleMisuse("Batches are of an epoch, and no epoch is open.")
        first, batches = self._loop.batches(source, epoch.index)
        for index, batch in enumerate(batches, first):
            self.batch(index, functools.partial(body, batch, index), step=self._running.batches)

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

    def change_param(self, name: str, value: Any) -> None:
        """Called between two batches or epochs when somebody outside wants another value of a param.

        What it raises is the reason why the program goes on with the old one; when it returns, `params` has the new one.
        Programs that take some write this method; without it all are refused.
        """
        raise ValueError(f"the program does not take another value of {name} while it runs")

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
    def _scope(self, kind: InnerKind, index: int, body: None, step: Optional[int] = None) -> LevelScope: ...
    @overload
    def _scope(self, kind: InnerKind, index: int, body: Body, step: Optional[int] = None) -> LevelStatus: ...
    def _scope(
        self, kind: InnerKind, index: int, body: Optional[Body], step: Optional[int] = None
    ) -> Union[LevelScope, LevelStatus]:
        scope = LevelScope(self._running, self._interrupts, kind, operator.index(index), step)
        if body is None:
            return scope
        with scope:
            body()
        return scope.status

    def _carry_out(self, body: Callable[[], Result]) -> RunOutcome[Result]:
        if self._lifecycle is not None:
            raise LifecycleMisuse("A pipeline runs once; make another one.")
        self._trackers = TrackerFanOut(self._trackers_given, self._warn)
        lifecycle = self._lifecycle = self._new_lifecycle(self._trackers)
        self._interrupts.begin(self._handle_signals)
        try:
            outcome = conduct(lifecycle, self._callbacks, self._interrupts, self._warn, body)
        finally:
            self._trackers.close()
            self._interrupts.give_back()
        # Whoever interrupts the end of a run is heard, too.
        self._interrupts.raise_if_cancelled()
        if lifecycle.is_released:
            # Whoever wants the place back waits for the end of the process, and nothing else is to be done in it.
            sys.exit(0)
        return outcome

    def _new_lifecycle(self, trackers: TrackerFanOut) -> TrainingLifecycle:
        files = ControlFiles.of_attempt(self._env)
        control = None if files is None else OutsideControl(
            OutsideControlOptions(
                files=files,
                callbacks=self._callbacks,
                wait=self._interrupts.wait,
                change=self._change,
                release=lambda: self._running.release(),
                warn=self._warn,
            )
        )
        return TrainingLifecycle(
            LifecycleOptions(
                params=lambda: self._params,
                trackers=trackers,
                callbacks=self._callbacks,
                scopes={"run": self.run_metrics, "epoch": self.epoch_metrics, "batch": self.batch_metrics},
                interrupts=self._interrupts,
                warn=self._warn,
                resume_from=self._resume_from,
                record_batches_every=self._record_batches_every,
                at_boundary=None if control is None else control.at_boundary,
            )
        )

    def _change(self, name: str, value: Any) -> None:
        self.change_param(name, value)
        self._params = MappingProxyType({**self._params, name: value})

    @property
    def _loop(self) -> TrainingLoop:
        return TrainingLoop(self._progress, self._resume_from, self._warn)


def _whole_step(name: str, step: int) -> int:
    try:
        return operator.index(step)
    except TypeError:
        raise ValueError(f'The step of "{name}" is {step}, not a whole number.') from None
