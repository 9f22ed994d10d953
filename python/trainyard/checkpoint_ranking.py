"""Which checkpoints are kept."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import List, Literal, Optional, Sequence, TypeVar

from .checkpoint import RankedCheckpoint

Ranked = TypeVar("Ranked", bound=RankedCheckpoint)


@dataclass(frozen=True)
class KeepRule:
    mode: Literal["min", "max"]
    #: So many of the best are kept; -1 keeps all.
    top_k: int
    #: Whether the newest is kept beside those.
    keep_last: bool


def kept_checkpoints(all_of_them: Sequence[Ranked], rule: KeepRule) -> List[Ranked]:
    if rule.top_k == -1:
        return list(all_of_them)
    kept = {id(each) for each in best_first(all_of_them, rule.mode)[: rule.top_k]}
    if rule.keep_last and all_of_them:
        kept.add(id(max(all_of_them, key=lambda each: each.order)))
    return [each for each in all_of_them if id(each) in kept]


def best_first(all_of_them: Sequence[Ranked], mode: Literal["min", "max"]) -> List[Ranked]:
    """The best first; of equal ones the older, behind all those whose value is no finite number."""
    sign = 1 if mode == "min" else -1

    def cost(value: Optional[float]) -> float:
        return math.inf if value is None or not math.isfinite(value) else sign * value

    return sorted(all_of_them, key=lambda each: (cost(each.value), each.order))
