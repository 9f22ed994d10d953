"""The metrics of a run, an epoch or a batch while it goes on."""
from __future__ import annotations

from typing import Dict, ItemsView, Optional

from .catalogue import UNTRACKED, MetricCatalogue
from .metric_value import MetricNumber, to_metric_number


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
        self._untracked: Dict[str, object] = {}

    def set(self, name: str, value: object) -> None:
        """Sets the value of a metric in this scope; the last value counts.

        `network`, `data`, `labels`, `status` and `custom_untracked` are for callbacks only; no tracker records them.
        Raises UnknownMetric when the catalogue has no such name, NotAMetric when it is no number, and has none in it,
        MetricOutOfScope when no such level is open.
        """
        number = None if name in UNTRACKED else self.number_of(name, value)
        if not self._is_open:
            raise MetricOutOfScope(
                f'The metric "{name}" was set while no {self._level} is open, so it would be lost; '
                "set it inside of one, or track it."
            )
        if number is None:
            self._untracked[name] = value
        else:
            self._values[name] = number

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

    def _clear(self) -> None:
        self._values.clear()
        self._untracked.clear()
