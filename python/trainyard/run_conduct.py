"""Carries a program out as its run, and tells how it has ended."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Generic, Literal, Optional, TypeVar, cast

from .callback_list import CallbackList
from .endings import RunStopped
from .interrupts import Interrupts
from .level import Level
from .lifecycle import TrainingLifecycle

Result = TypeVar("Result")


@dataclass(frozen=True)
class RunOutcome(Generic[Result]):
    """How a run has ended; one that failed or was cancelled raises instead."""

    status: Literal["completed", "stopped"]
    #: What the program returned; None when it was stopped before that.
    result: Optional[Result]
    #: Why it was stopped.
    reason: Optional[str]


def conduct(
    lifecycle: TrainingLifecycle,
    callbacks: CallbackList,
    interrupts: Interrupts,
    warn: Callable[[str], None],
    body: Callable[[], Result],
) -> RunOutcome[Result]:
    """Raises what the program raises, when its run was closed."""
    failure: Optional[BaseException] = None
    result: Optional[Result] = None
    level = lifecycle.open("run", 0)
    try:
        lifecycle.tell_start(level)
        with interrupts.program():
            result = body()
        if lifecycle.stop_reason is not None:
            failure = RunStopped(lifecycle.stop_reason)
    except BaseException as error:
        failure = error
    end = lifecycle.end_of(failure)
    interrupt = None if failure is None or end.status != "failed" else _told_of(failure, level, lifecycle, callbacks, warn)
    lifecycle.end(level, end)
    if interrupt is not None:
        raise interrupt
    if failure is not None and end.status != "stopped":
        raise failure
    return RunOutcome(cast(Literal["completed", "stopped"], end.status), result, end.reason)


def _told_of(
    failure: BaseException,
    level: Level,
    lifecycle: TrainingLifecycle,
    callbacks: CallbackList,
    warn: Callable[[str], None],
) -> Optional[BaseException]:
    """Tells callbacks that the run has failed. An interrupt that came meanwhile."""
    context = lifecycle.context_of(level)
    error = callbacks.call(lambda each: each.on_exception(context, failure)).error
    if not isinstance(error, Exception):
        return error
    warn(f"A callback has failed while it was told of the failure: {type(error).__name__}: {error}")
    return None
