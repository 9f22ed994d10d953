"""The metrics of a run, an epoch or a batch while it goes on."""
from __future__ import annotations

import math
from typing import Any, Callable, Dict, Iterable, ItemsView, List, Mapping, Optional, Union

from .catalogue import UNTRACKED, MetricCatalogue, MetricKind
from .metric_value import MetricNumber, to_metric_number
from .number_text import number_text


class MetricOutOfScope(Exception):
    """A metric was set where nothing would record it."""


class MetricScope:
    """They are recorded at its end, and then it is empty: nothing of one epoch is ever in the next."""

    def __init__(self, catalogue: MetricCatalogue, level: str) -> None:
        """`level` is what its metrics are of, for messages."""
        self._catalogue = catalogue
        self._level = level
        self._is_open = False
        self._values: Dict[str, MetricNumber] = {}
        self._weights: Dict[str, float] = {}
        self._untracked: Dict[str, object] = {}

    def set(self, name: str, value: object) -> None:
        """Sets the value of a metric in this scope; the last value counts.

        `network`, `data`, `labels`, `status` and `custom_untracked` are for callbacks only; no tracker records them.
        Raises UnknownMetric when the catalogue has no such name, NotAMetric when it is no number, and has none in it,
        MetricOutOfScope when no such level is open.
        """
        number = None if name in UNTRACKED else self.number_of(name, value)
        self._require_open(name)
        self._weights.pop(name, None)
        if number is None:
            self._untracked[name] = value
        else:
            self._values[name] = number

    def add(self, name: str, value: object, *, weight: float = 1) -> None:
        """Adds one of several values, such as that of a batch to those of its epoch.

        They become one value as the catalogue says (`over`): their mean, weighted by `weight`, their sum, the smallest
        or the largest. Raises as `set`, and ValueError when the weight is no number above 0.
        """
        number = self.number_of(name, value)
        self._require_open(name)
        if not (weight > 0 and math.isfinite(weight)):
            raise ValueError(f'The weight of "{name}" is {number_text(weight)}, not a number above 0.')
        before = self._weights.get(name, 0)
        so_far = None if before == 0 else self._values.get(name)
        self._weights[name] = before + weight
        share = weight / (before + weight)
        self._values[name] = _joined(so_far, number, share, self._catalogue.kind_of(name))

    def number_of(self, name: str, value: object) -> MetricNumber:
        """A value as it would be recorded under this name. Raises as `set`, but for the scope."""
        return to_metric_number(name, value, self._catalogue.kind_of(name))

    def __setitem__(self, name: str, value: object) -> None:
        self.set(name, value)

    def get(self, name: str) -> Optional[float]:
        """The total of a metric; None when it was not recorded."""
        number = self._values.get(name)
        return None if number is None else number.total

    def untracked(self, name: str) -> object:
        """A value that no tracker records, such as the network; None when it was not set."""
        return self._untracked.get(name)

    def items(self) -> ItemsView[str, MetricNumber]:
        """All that is recorded, in the order in which it was set."""
        return self._values.items()

    def open(self) -> None:
        """From now on it takes metrics; those of the level before are gone."""
        self._clear()
        self._is_open = True

    def close(self) -> None:
        self._clear()
        self._is_open = False

    def state(self) -> List[Dict[str, Any]]:
        """What was recorded so far, as JSON can hold it: numbers that are not finite by their names."""
        return [
            {
                "name": name,
                "weight": self._weights.get(name, 0),
                "total": _json_number(number.total),
                **({} if number.labels is None else {"labels": _each(number.labels, _json_number)}),
            }
            for name, number in self._values.items()
        ]

    def restore(self, state: Iterable[Mapping[str, Any]]) -> None:
        """Goes on from what another scope had recorded."""
        for metric in state:
            labels = None if "labels" not in metric else _each(metric["labels"], float)
            self._values[metric["name"]] = MetricNumber(float(metric["total"]), labels)
            if metric["weight"] > 0:
                self._weights[metric["name"]] = metric["weight"]

    def _require_open(self, name: str) -> None:
        if not self._is_open:
            raise MetricOutOfScope(
                f'The metric "{name}" was set while no {self._level} is open, so it would be lost; '
                "set it inside of one, or track it."
            )

    def _clear(self) -> None:
        self._values.clear()
        self._weights.clear()
        self._untracked.clear()


def _joined(before: Optional[MetricNumber], following: MetricNumber, share: float, kind: MetricKind) -> MetricNumber:
    """`share` is that of the new value in the mean."""
    if before is None:
        return following
    join = _OVER[kind.get("over", "mean")]
    total = join(before.total, following.total, share)
    if before.labels is None or following.labels is None:
        return MetricNumber(total)
    labels = dict(before.labels)
    for label, part in following.labels.items():
        labels[label] = join(labels[label], part, share) if label in labels else part
    return MetricNumber(total, labels)


def _larger(a: float, b: float, _share: float) -> float:
    return math.nan if math.isnan(a) or math.isnan(b) else max(a, b)


def _smaller(a: float, b: float, _share: float) -> float:
    return math.nan if math.isnan(a) or math.isnan(b) else min(a, b)


_OVER: Dict[str, Callable[[float, float, float], float]] = {
    "mean": lambda a, b, share: a * (1 - share) + b * share,
    "sum": lambda a, b, _share: a + b,
    "min": _smaller,
    "max": _larger,
}


def _json_number(value: float) -> Union[float, str]:
    return value if math.isfinite(value) else number_text(value)


def _each(values: Mapping[str, Any], make: Callable[[Any], Any]) -> Dict[str, Any]:
    return {label: make(part) for label, part in values.items()}
