"""Records every value as a line of a CSV file."""
from __future__ import annotations

import csv
import os
from typing import Optional, Sequence, TextIO

from .number_text import number_text
from .tracker import MetricRecord, Tracker

_HEAD = ("time_ms", "of", "epoch", "batch", "step", "name", "part", "value")


class CsvTracker(Tracker):
    """A line for each value and one for each of its parts, in the order in which they were recorded.

    `of` is the level at whose end a value was recorded, and empty for one that was tracked at once. A file that is
    there is appended to, so a run that resumes goes on in it. Each value is with the operating system when the call
    returns.
    """

    is_durable = True

    def __init__(self, path: str = "metrics.csv") -> None:
        self.name = f"csv {path}"
        self._path = path
        self._file: Optional[TextIO] = None

    def track(self, records: Sequence[MetricRecord]) -> None:
        file = self._opened()
        lines = csv.writer(file, lineterminator="\n")
        for record in records:
            place = (record.time_ms, record.of or "", _blank(record.epoch), _blank(record.batch), record.step)
            lines.writerow((*place, record.name, "", number_text(record.value)))
            lines.writerows((*place, record.name, part, number_text(value)) for part, value in _parts(record))
        file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def _opened(self) -> TextIO:
        if self._file is None:
            os.makedirs(os.path.dirname(self._path) or ".", exist_ok=True)
            self._file = open(self._path, "a", encoding="utf-8", newline="")
            if self._file.tell() == 0:
                self._file.write(",".join(_HEAD) + "\n")
        return self._file


def _blank(number: Optional[int]) -> object:
    return "" if number is None else number


def _parts(record: MetricRecord) -> "Sequence[tuple[str, float]]":
    return list((record.labels or {}).items())
