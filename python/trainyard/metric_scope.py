"""The metrics of a run, an epoch or a batch while it goes on."""
from __future__ import annotations

from typing import Dict, ItemsView, Optional

from .catalogue import UNTRACKED, MetricCatalogue
from .metric_value import MetricNumber, to_metric_number


class MetricScope:
    """They are recorded at its end, and then it is empty: nothing of one epoch is ever in the next."""

    def __init__(self, catalogue: MetricCatalogue) -> None:
        self._catalogue = catalogue
        self._values: Dict[str, MetricNumber] = {}
        self._untracked: Dict[str, object] = {}

    def set(self, name: str, value: object) -> None:
        """Sets the value of a metric in this scope; the last value counts.

        `network`, `data`, `labels`, `status` and `custom_untracked` are for callbacks only; no tracker records them.
        Raises UnknownMetric when the catalogue has no such name, NotAMetric when it is no number, and has none in it.
        """
        if name in UNTRACKED:
            self._untracked[name] = value
        else:
            self._values[name] = self.number_of(name, value)

    def number_of(self, name: str, value: object) -> MetricNumber:
        """A value as it would be recorded under this name. Raises as `set`."""
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

    def clear(self) -> None:
        self._values.clear()
        self._untracked.clear()
