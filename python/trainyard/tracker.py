"""A place where a run is recorded."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

from .level import Level, LevelEnd, LevelKind


@dataclass(frozen=True)
class MetricRecord:
    """One recorded value."""

    name: str
    value: float
    #: The x-axis: of an epoch's metrics its number, of others what the program says.
    step: int
    epoch: Optional[int]
    batch: Optional[int]
    #: At the end of what it was recorded; None for a value that was tracked at once.
    of: Optional[LevelKind]
    #: Epoch milliseconds.
    time_ms: int
    #: The parts of the value, where it has some.
    labels: Optional[Mapping[str, float]] = None


class Tracker:
    """Calls come in order, one at a time, in a thread of the tracker's own.

    A tracker that is slow, raises or never answers holds up neither training nor other trackers.
    """

    name = "tracker"
    #: The program waits for each call, so that what it has recorded is kept though it is killed then. It waits for a
    #: second at most, and for nothing more of a tracker that was slower until that has caught up.
    is_durable = False
    #: Values that wait, because the tracker is slower than the program, may be handed over together, up to so many.
    joins_values = 0

    def on_start(self, level: Level) -> None:
        """A level was opened."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Params of the program."""

    def track(self, records: Sequence[MetricRecord]) -> None:
        """Values that were recorded together."""

    def on_end(self, level: Level, end: LevelEnd) -> None:
        """A level was closed."""

    def close(self) -> None:
        """The last call."""
