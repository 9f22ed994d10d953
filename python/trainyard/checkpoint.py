"""What is known of a checkpoint."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional


@dataclass(frozen=True)
class RankedCheckpoint:
    """What it is ranked by."""

    #: Counts up with each that is saved in the directory.
    order: float
    #: Of the metric that is watched; None when it was not there or not finite.
    value: Optional[float]


@dataclass(frozen=True)
class NewCheckpoint:
    """What the run knows of it when it is saved."""

    #: Number of the last epoch that has begun; None before the first.
    epoch: Optional[int]
    #: Batches of that epoch that were done, when it had not ended; None when it had.
    batches_of_epoch: Optional[int]
    #: Batches that the run has seen.
    batches: int
    value: Optional[float]
    #: What callbacks go on from, by their names.
    callbacks: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoint(RankedCheckpoint):
    """A checkpoint as it was recorded beside its files."""

    #: File or directory that the program has written; absolute.
    path: str
    #: Number of the last epoch that has begun; None before the first.
    epoch: Optional[int]
    #: Batches of that epoch that were done, when it had not ended; None when it had.
    batches_of_epoch: Optional[int]
    #: Batches that the run has seen.
    batches: int
    #: What callbacks go on from, by their names.
    callbacks: Mapping[str, Any]
