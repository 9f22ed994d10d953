"""Callbacks in the order in which they are called."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Sequence

from .callback import Callback
from .checkpoint import Checkpoint


@dataclass(frozen=True)
class HookResult:
    """What came of a hook."""

    #: Name of the first callback that wants the run to end.
    stopped_by: Optional[str] = None
    #: The first error that one of them raised; what is no `Exception`, such as an interrupt, before all others.
    error: Optional[BaseException] = None


class CallbackList:
    """As given, those that are to be last behind the others."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = sorted(callbacks, key=lambda each: each.is_last)
        names = [each.name for each in callbacks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'Two callbacks are called "{name}"; give one another name.')

    def states(self) -> Dict[str, Any]:
        """What each that has something to go on from goes on from."""
        return {each.name: each.state() for each in self._callbacks if _overrides(each, "state")}

    def restore(self, checkpoint: Checkpoint, warn: Callable[[str], None]) -> HookResult:
        """Gives each what it had, and warns of what has no callback any more, and of what starts from nothing."""
        names = [each.name for each in self._callbacks]
        place = f"The checkpoint {checkpoint.path}"
        for name in checkpoint.callbacks:
            if name not in names:
                warn(f'{place} has a state of the callback "{name}", which this run lacks.')

        def give_back(callback: Callback) -> None:
            if callback.name in checkpoint.callbacks:
                callback.restore(checkpoint.callbacks[callback.name], checkpoint)
            elif _overrides(callback, "restore"):
                warn(f'{place} has no state of the callback "{callback.name}"; it begins anew.')

        return self.call(give_back)

    def call(self, hook: Callable[[Callback], object]) -> HookResult:
        """Calls a hook of each, one after the other, also behind one that raises or wants to stop."""
        stopped_by: Optional[str] = None
        failure: Optional[BaseException] = None
        for callback in self._callbacks:
            try:
                if hook(callback) is False and stopped_by is None:
                    stopped_by = callback.name
            except BaseException as error:  # An interrupt is raised by whoever asked, once the others were called.
                if failure is None or (isinstance(failure, Exception) and not isinstance(error, Exception)):
                    failure = error
        return HookResult(stopped_by, failure)


def _overrides(callback: Callback, method: str) -> bool:
    return getattr(type(callback), method) is not getattr(Callback, method)
