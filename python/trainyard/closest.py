"""The name that was meant, perhaps."""
from __future__ import annotations

from typing import Iterable, Optional


def closest(name: str, names: Iterable[str]) -> Optional[str]:
    """The name that differs in the fewest characters, if it does not differ in more than a third of them."""
    distance, best = min(((_distance(name.lower(), each.lower()), each) for each in names), key=lambda pair: pair[0])
    return best if distance <= max(1, len(name) / 3) else None


def _distance(a: str, b: str) -> int:
    """Number of characters to insert, remove or replace (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        following = [i]
        for j, right in enumerate(b, 1):
            following.append(min(row[j - 1] + (left != right), row[j] + 1, following[j - 1] + 1))
        row = following
    return row[-1]
