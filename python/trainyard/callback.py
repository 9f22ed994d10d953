"""Something that follows a run and may end it."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional

from .checkpoint import Checkpoint
from .level import Level, LevelEnd
from .metric_scope import MetricScope


@dataclass(frozen=True)
class CallbackContext:
    """What a callback is told, and what it can do."""

    params: Mapping[str, Any]
    #: The run, epoch or batch that it is about.
    level: Level
    #: Metrics of that level, as they are recorded at its end.
    metrics: MetricScope
    #: Records a value at once, with the number of the level as step. Raises UnknownMetric, NotAMetric.
    record: Callable[[str, object], None]
    #: Lets this epoch end early, at the end of this batch; from `on_batch_start`, before the batch.
    stop_epoch: Callable[[str], None]
    #: What all callbacks go on from when a run resumes here, by their names.
    callback_states: Callable[[], Mapping[str, Any]]
    #: Lets the run end early, `stopped`, once all callbacks were told. The first reason counts.
    stop: Callable[[str], None]
    #: For people; training goes on.
    warn: Callable[[str], None]


@dataclass(frozen=True)
class CallbackEnd(CallbackContext):
    end: LevelEnd


@dataclass(frozen=True)
class CallbackResume(CallbackContext):
    """A run goes on that somebody had paused."""

    #: How long it stood still.
    paused_ms: int


class Callback:
    """Follows a run. The program waits for each hook.

    A hook that raises fails the run, after the others were called. Answering `False` from `on_batch_end` or
    `on_epoch_end` ends the run early.
    """

    #: For messages and saved state; unique in a run.
    name = "callback"
    #: It is called after those that do not say so: what saves checkpoints sees what the others have decided.
    is_last = False

    def state(self) -> Any:
        """What it needs to go on in a run that resumes here, as JSON can hold it. Written beside each checkpoint."""
        return None

    def restore(self, state: Any, checkpoint: Checkpoint) -> None:
        """Gives it back what it had; called behind `on_run_start`. A callback without it has no state."""

    def on_run_start(self, context: CallbackContext) -> None:
        """The run has begun."""

    def on_epoch_start(self, context: CallbackContext) -> None:
        """An epoch has begun."""

    def on_batch_start(self, context: CallbackContext) -> None:
        """A batch has begun."""

    def on_batch_end(self, context: CallbackEnd) -> Optional[bool]:
        """A batch has ended. Not called for one that failed or was cancelled."""
        return None

    def on_epoch_end(self, context: CallbackEnd) -> Optional[bool]:
        """An epoch has ended. Not called for one that failed or was cancelled."""
        return None

    def on_pause(self, context: CallbackContext) -> None:
        """Somebody outside pauses the run; it stands still behind this call."""

    def on_resume(self, context: CallbackResume) -> None:
        """The run goes on."""

    def on_save_request(self, context: CallbackContext) -> Optional[str]:
        """Somebody outside wants a checkpoint now. Answers the path of what was saved, or None."""
        return None

    def on_params_changed(self, context: CallbackContext, changed: Mapping[str, Any]) -> None:
        """Somebody outside has changed params, and the program goes on with these values."""

    def on_exception(self, context: CallbackContext, error: BaseException) -> None:
        """The run has failed; `on_run_end` follows."""

    def on_run_end(self, context: CallbackEnd) -> None:
        """Always the last call, however the run has ended."""
