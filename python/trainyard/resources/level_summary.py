"""How busy the machine was during one level."""
from __future__ import annotations

from typing import Any, Dict

from ..level import Level
from .sample import Sample


class LevelSummary:
    """Mean and largest value of each quantity, of as many samples as there were."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._samples = 0
        self._sums: Dict[str, float] = {}
        self._counts: Dict[str, int] = {}
        self._largest: Dict[str, float] = {}

    def add(self, sample: Sample) -> None:
        self._samples += 1
        for name, value in sample.numbers().items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1
            self._largest[name] = max(value, self._largest.get(name, value))

    def to_json(self, ended_at_ms: int) -> Dict[str, Any]:
        return {
            "level": self._level.kind,
            "index": self._level.index,
            "seconds": (ended_at_ms - self._level.started_at_ms) / 1000,
            "samples": self._samples,
            "mean": {name: round(total / self._counts[name], 2) for name, total in self._sums.items()},
            "max": self._largest,
        }
