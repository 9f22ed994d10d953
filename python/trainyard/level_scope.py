"""An epoch or batch as a context manager."""
from __future__ import annotations

from types import TracebackType
from typing import Optional, Type

from .endings import EpochStopped, LifecycleMisuse
from .interrupts import Interrupts
from .level import Level, LevelKind, LevelStatus
from .lifecycle import TrainingLifecycle


class LevelScope:
    """An epoch or batch as a context manager."""

    def __init__(
        self, lifecycle: TrainingLifecycle, interrupts: Interrupts, kind: LevelKind, index: int, step: Optional[int] = None
    ) -> None:
        self._lifecycle = lifecycle
        self._interrupts = interrupts
        self._kind: LevelKind = kind
        self._index = index
        self._step = step
        self._level: Optional[Level] = None
        #: How it has ended, once it has.
        self.status: LevelStatus = "completed"

    def __enter__(self) -> Level:
        with self._interrupts.whole():
            level = self._level = self._lifecycle.open(self._kind, self._index, self._step)
            try:
                self._lifecycle.tell_start(level)
            except BaseException as error:
                self._close(level, error)
                raise
        return level

    def __exit__(
        self, _type: Optional[Type[BaseException]], error: Optional[BaseException], _trace: Optional[TracebackType]
    ) -> bool:
        with self._interrupts.whole():
            # A generator may be left behind, and ends then when nothing of the run is open any more.
            is_left_behind = isinstance(error, GeneratorExit) and not self._lifecycle.is_open(self._opened)
            if not is_left_behind:
                self._close(self._opened, error)
        return self._kind == "epoch" and isinstance(error, EpochStopped)

    @property
    def _opened(self) -> Level:
        if self._level is None:
            raise LifecycleMisuse(f"{self._kind} {self._index} was not begun.")
        return self._level

    def _close(self, level: Level, error: Optional[BaseException]) -> None:
        end = self._lifecycle.end_of(error)
        self.status = end.status
        self._lifecycle.end(level, end)
