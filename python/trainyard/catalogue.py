"""The names under which a program may record metrics."""
from __future__ import annotations

import json
import re
from typing import Dict, Literal, Mapping, Optional, TypedDict

from .closest import closest


class MetricKind(TypedDict, total=False):
    """What is known of a metric by its name."""

    #: Whether larger or smaller values are better, where that can be said.
    goal: Literal["max", "min"]
    #: How the parts of a value (a list, values by label) become its total; the mean if left out.
    total: Literal["mean", "sum"]
    #: How values that are added up over an epoch or a run become one; the mean if left out.
    over: Literal["mean", "sum", "min", "max"]


#: Metrics that every program has; what they mean is the program's matter.
_KNOWN: Mapping[str, MetricKind] = {
    "epoch": {},
    "train_loss": {"goal": "min"},
    "val_loss": {"goal": "min"},
    "test_loss": {"goal": "min"},
    "train_acc": {"goal": "max"},
    "val_acc": {"goal": "max"},
    "test_acc": {"goal": "max"},
    "learning_rate": {},
    "confusion": {"total": "sum", "over": "sum"},
}

#: Values that callbacks may look at and no tracker records.
UNTRACKED = ("network", "data", "labels", "status", "custom_untracked")

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ ./-]{0,249}")


class UnknownMetric(Exception):
    """A metric name that is not in the catalogue, or a second meaning for one that is."""


class MetricCatalogue:
    """A name that is not in it is refused, for a metric that was misspelled would be a curve that nobody looks at."""

    def __init__(self, custom: Optional[Mapping[str, MetricKind]] = None) -> None:
        self._kinds: Dict[str, MetricKind] = dict(_KNOWN)
        for name, kind in (custom or {}).items():
            self.register(name, kind)

    def register(self, name: str, kind: MetricKind) -> None:
        """Adds a metric of the program's own.

        Raises UnknownMetric when the name cannot be one, or stands for something else already.
        """
        if _NAME.fullmatch(name) is None:
            raise UnknownMetric(
                f'"{name}" cannot be the name of a metric: letters, digits, spaces and _ . - / are allowed, '
                "up to 250 of them."
            )
        if name in UNTRACKED:
            raise UnknownMetric(f'"{name}" is a value that is not recorded; choose another name.')
        known = self._kinds.get(name)
        if known is not None and known != kind:
            raise UnknownMetric(f'The metric "{name}" is in the catalogue already, with another meaning.')
        self._kinds[name] = kind

    def kind_of(self, name: str) -> MetricKind:
        """Raises UnknownMetric with the name that was meant, perhaps, and with what to do."""
        kind = self._kinds.get(name)
        if kind is not None:
            return kind
        meant = closest(name, [*self._kinds, *UNTRACKED])
        hint = "" if meant is None else f' Did you mean "{meant}"?'
        raise UnknownMetric(
            f'There is no metric "{name}".{hint} A metric of your own is registered first: '
            f"metrics={{{json.dumps(name)}: {{}}}}."
        )
