"""The name that was meant, perhaps."""
from __future__ import annotations

from typing import Iterable, List, Optional


def closest(name: str, names: Iterable[str]) -> Optional[str]:
    """The name that differs in the fewest characters, if it does not differ in more than a third of them."""
    distance, best = min(((_distance(name.lower(), each.lower()), each) for each in names), key=lambda pair: pair[0])
    return best if distance <= max(1, len(name) / 3) else None


def _distance(a: str, b: str) -> int:
    """Number of characters to insert, remove, replace or swap with a neighbour (optimal string alignment)."""
    before: List[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        following = [i]
        for j, right in enumerate(b, 1):
            cost = min(row[j - 1] + (left != right), row[j] + 1, following[j - 1] + 1)
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, before[j - 2] + 1)
            following.append(cost)
        before, row = row, following
    return row[-1]
