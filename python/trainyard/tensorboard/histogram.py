"""The distribution of values, in buckets of equal width."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterable, List, Sequence

#: As many as TensorBoard's own summaries have.
_BUCKETS = 30


@dataclass(frozen=True)
class Histogram:
    min: float
    max: float
    count: int
    sum: float
    sum_of_squares: float
    #: Right edges of the buckets; the first begins at `min`.
    limits: Sequence[float]
    counts: Sequence[int]


def histogram_of(values: Iterable[float]) -> Histogram:
    """What the values are like; those that are not finite have no place in it and are left out."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Histogram(0, 0, 0, 0, 0, [0], [0])
    low, high = min(finite), max(finite)
    width = high / _BUCKETS - low / _BUCKETS
    limits: List[float] = [high]
    if width > 0:
        limits = [min(high, low + width * (index + 1)) for index in range(_BUCKETS - 1)] + [high]
    counts = [0] * len(limits)
    last = len(limits) - 1
    for value in finite:
        counts[min(last, max(0, math.floor(value / width - low / width))) if width > 0 else 0] += 1
    return Histogram(low, high, len(finite), sum(finite), sum(value * value for value in finite), limits, counts)
