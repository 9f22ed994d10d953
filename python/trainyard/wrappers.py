"""Decorators for programs whose loop is in methods of its own: `run`, `run_epoch`, `run_batch`.

They do for these what `train()`, `epoch()` and `batch()` of a pipeline do.
"""
from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Callable, Literal, TypeVar

from .endings import LifecycleMisuse
from .level import LevelStatus

if TYPE_CHECKING:
    from .run_conduct import RunOutcome

Result = TypeVar("Result")
_MARK = "__trainyard_wrapper__"


def run_wrapper(run: Callable[[Any], Result]) -> Callable[[Any], RunOutcome[Result]]:
    """Carries `run` out as the run of its pipeline. What it returns is the result of the run."""

    @functools.wraps(run)
    def wrapped(self: Any) -> RunOutcome[Result]:
        outcome: RunOutcome[Result] = self._carry_out(lambda: run(self))
        return outcome

    setattr(wrapped, _MARK, "run_wrapper")
    return wrapped


def epoch_wrapper(method: Callable[..., object]) -> Callable[..., LevelStatus]:
    """Carries a method out as an epoch, and answers its status. Its argument `epoch`, else its first, is the number."""
    return _level_wrapper("epoch", method)


def batch_wrapper(method: Callable[..., object]) -> Callable[..., LevelStatus]:
    """Carries a method out as a batch, and answers its status. Its argument `batch`, else its first, is the number."""
    return _level_wrapper("batch", method)


def _level_wrapper(kind: Literal["epoch", "batch"], method: Callable[..., object]) -> Callable[..., LevelStatus]:
    signature = inspect.signature(method)
    names = list(signature.parameters)[1:]
    if not names:
        raise LifecycleMisuse(f"{method.__qualname__} takes no number of the {kind}; give it one as first argument.")
    number_name = kind if kind in names else names[0]

    @functools.wraps(method)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> LevelStatus:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        number = bound.arguments[number_name]
        status: LevelStatus = getattr(self, kind)(number, lambda: method(self, *args, **kwargs))
        return status

    setattr(wrapped, _MARK, f"{kind}_wrapper")
    return wrapped


def require_wrapped(cls: type, own_run: object) -> None:
    """Raises LifecycleMisuse when the class would run unrecorded, or epochs and batches of it would."""
    run = getattr(cls, "run")
    if run is not own_run and getattr(run, _MARK, None) != "run_wrapper":
        raise LifecycleMisuse(
            f"{cls.__name__} overrides run() without @run_wrapper, so its run would not be recorded; "
            "put @run_wrapper before it, or write train() instead, which run() calls."
        )
    for name, wrapper in (("run_epoch", "epoch_wrapper"), ("run_batch", "batch_wrapper")):
        method = getattr(cls, name, None)
        if method is not None and getattr(method, _MARK, None) != wrapper:
            raise LifecycleMisuse(
                f"{cls.__name__}.{name}() would not be recorded; put @{wrapper} before it, or give it another name."
            )
