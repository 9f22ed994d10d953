"""The levels of a training, and how they end."""
from __future__ import annotations

import os
import sysconfig
import traceback
from dataclasses import dataclass
from typing import Dict, Literal, Optional

#: From the outermost to the innermost.
LevelKind = Literal["run", "epoch", "batch"]
#: `stopped` ended early because somebody wanted it; it is no failure.
LevelStatus = Literal["completed", "stopped", "failed", "cancelled"]

OUTER: Dict[LevelKind, Optional[LevelKind]] = {"run": None, "epoch": "run", "batch": "epoch"}


@dataclass(frozen=True, eq=False)
class Level:
    """One run, epoch or batch. Its index is the number as the program counts; 0 of a run."""

    kind: LevelKind
    index: int
    parent: Optional[Level]
    #: Epoch milliseconds.
    started_at_ms: int
    #: Of its metrics: its number, unless the program says another one.
    step: int

    def __str__(self) -> str:
        return "the run" if self.kind == "run" else f"{self.kind} {self.index}"


@dataclass(frozen=True)
class ErrorReport:
    """An error as it is recorded: enough to find it, without the program."""

    type: str
    message: str
    file: Optional[str] = None
    line: Optional[int] = None
    function: Optional[str] = None
    stack: Optional[str] = None


@dataclass(frozen=True)
class LevelEnd:
    status: LevelStatus
    #: Epoch milliseconds.
    ended_at_ms: int
    #: What failed, and where.
    error: Optional[ErrorReport] = None
    #: Why it ended early.
    reason: Optional[str] = None


def error_report(error: BaseException) -> ErrorReport:
    """Where and what an error is; the place is that of the innermost frame outside of Python and of libraries."""
    frames = list(reversed(traceback.extract_tb(error.__traceback__)))
    place = next((frame for frame in frames if _is_own(frame.filename)), frames[0] if frames else None)
    return ErrorReport(
        type=type(error).__name__,
        message=str(error),
        file=place.filename if place else None,
        line=place.lineno if place else None,
        function=place.name if place else None,
        stack="".join(traceback.format_exception(type(error), error, error.__traceback__)),
    )


_HERE = os.path.dirname(os.path.abspath(__file__))
_LIBRARIES = tuple(
    path + os.sep for path in (_HERE, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")) if path
)


def _is_own(filename: str) -> bool:
    if filename.startswith("<frozen"):
        return False
    return not filename.startswith(_LIBRARIES) and "site-packages" not in filename and "dist-packages" not in filename
