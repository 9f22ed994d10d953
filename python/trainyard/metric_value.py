"""Makes numbers of what a program records."""
from __future__ import annotations

import json
import numbers
from dataclasses import dataclass
from decimal import Decimal
from typing import Dict, Iterable, Mapping, Optional, Tuple

from .catalogue import MetricKind

#: Parts of one value; a confusion matrix of 100 classes has 10,000.
MAX_PARTS = 10_000
_MAX_DEPTH = 4


class NotAMetric(Exception):
    """A value that is no metric."""


@dataclass(frozen=True)
class MetricNumber:
    """A value as it is recorded. NaN and the infinities are values."""

    total: float
    #: The parts of the value: of a list by index, of a list of lists as `row/column`.
    labels: Optional[Mapping[str, float]] = None


def to_metric_number(name: str, given: object, kind: MetricKind) -> MetricNumber:
    """A number, a list (of lists), values by label, or a tensor of a library.

    Raises NotAMetric when there is something in it that is no number, nothing at all, or more than 10,000 parts.
    """
    value = _of_tensor(given)
    single = _as_number(value)
    if single is not None:
        return MetricNumber(single)
    labels: Dict[str, float] = {}
    _collect(name, value, "", labels)
    if not labels:
        raise NotAMetric(f'The metric "{name}" is {_describe(given)}, not a number.')
    total = sum(labels.values())
    return MetricNumber(total if kind.get("total") == "sum" else total / len(labels), labels)


def _collect(name: str, part: object, path: str, labels: Dict[str, float]) -> None:
    value = _of_tensor(part)
    number = _as_number(value)
    if number is not None:
        labels[path] = number
        if len(labels) > MAX_PARTS:
            raise NotAMetric(f'The metric "{name}" has more than {MAX_PARTS} parts.')
        return
    entries: Iterable[Tuple[object, object]]
    if isinstance(value, (list, tuple, range)):
        entries = enumerate(value)
    elif isinstance(value, Mapping):
        entries = value.items()
    else:
        entries = ()
    if not isinstance(value, (list, tuple, range, Mapping)) or len(path.split("/")) > _MAX_DEPTH:
        where = f" at {path}" if path else ""
        raise NotAMetric(f'The metric "{name}" is {_describe(part)}{where}, not a number.')
    for key, inner in entries:
        _collect(name, inner, f"{path}/{key}" if path else str(key), labels)


def _as_number(value: object) -> Optional[float]:
    if isinstance(value, (bool, int, float, numbers.Real, Decimal)):
        try:
            return float(value)
        except OverflowError:
            return float("-inf") if str(value).startswith("-") else float("inf")
    return None


def _of_tensor(value: object) -> object:
    """The values of a tensor; anything else as it is. A tensor of one value is that value."""
    if isinstance(value, (int, float, str, list, tuple, Mapping)):
        return value
    for method in ("tolist", "numpy", "item"):
        read = getattr(value, method, None)
        if callable(read):
            inner = read()
            if method == "numpy":
                inner = _of_tensor(inner)
            return inner[0] if isinstance(inner, list) and len(inner) == 1 else inner
    return value


def _describe(value: object) -> str:
    if value is None:
        return "None"
    if isinstance(value, str):
        return json.dumps(f"{value[:50]}…" if len(value) > 50 else value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"
    if isinstance(value, Mapping):
        return "a dict" if value else "an empty dict"
    return f"a {type(value).__name__}"
