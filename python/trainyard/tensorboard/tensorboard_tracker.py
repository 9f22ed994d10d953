"""Records a run for TensorBoard."""
from __future__ import annotations

import logging
import operator
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from ..level import Level, LevelEnd
from ..param_text import FlatParam, flat_params
from ..tracker import MetricRecord, Tracker
from .event import (
    hparams_end_value,
    hparams_start_value,
    histogram_value,
    image_value,
    scalar_value,
    summary_event,
    text_value,
)
from .event_file import EventFile
from .histogram import histogram_of
from .params_table import params_table


class TensorboardTracker(Tracker):
    """Writes an event file of TensorBoard to the directory of the run, after which TensorBoard names it.

    Each run, also one that is resumed, opens a file of its own behind those that are there. Every value has the step
    that it was recorded with; metrics of batches, whose steps are numbers of batches, are `batch/NAME`, the parts of a
    value `NAME/PART`. Params are a text and hyperparameters; the latter are written with the first value, and what is
    logged behind that is a text only.

    It also takes what is no metric: `histogram`, `text` and `image` write at once; a disk that is full is warned of and
    ends no training.
    """

    def __init__(self, directory: str, warn: Optional[Callable[[str], None]] = None) -> None:
        """`warn` is told that histograms, texts and images cannot be written; the logger `trainyard` if left out."""
        self.name = f"tensorboard {directory}"
        self._directory = directory
        self._warn = warn or logging.getLogger("trainyard").warning
        # The program and the thread of the tracker both write.
        self._lock = threading.RLock()
        self._file: Optional[EventFile] = None
        self._started_at_ms: Optional[int] = None
        self._params: Optional[Dict[str, FlatParam]] = None
        self._are_params_written = False

    def on_start(self, level: Level) -> None:
        if level.kind != "run":
            return
        with self._lock:
            self._started_at_ms, self._params, self._are_params_written = level.started_at_ms, None, False
            if self._file is None:
                self._file = EventFile(self._directory, level.started_at_ms)

    def log_params(self, params: Mapping[str, Any]) -> None:
        flat = flat_params(params)
        if not flat:
            return
        with self._lock:
            self._params = {**(self._params or {}), **flat}
            self._write(0, [text_value("params", params_table(self._params))])

    def track(self, records: Sequence[MetricRecord]) -> None:
        by_step: Dict[int, List[MetricRecord]] = {}
        for record in records:
            by_step.setdefault(record.step, []).append(record)
        with self._lock:
            self._write_params()
            for step, each in by_step.items():
                values = [value for record in each for value in _scalars_of(record)]
                self._write(step, values, each[0].time_ms)

    def on_end(self, level: Level, end: LevelEnd) -> None:
        if level.kind != "run":
            return
        with self._lock:
            self._write_params()
            if self._are_params_written:
                self._write(0, [hparams_end_value(end.status in ("completed", "stopped"), end.ended_at_ms)])

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def histogram(self, tag: str, values: object, step: int) -> None:
        """The distribution of numbers: a list (of lists), or a tensor. Those that are not finite are left out."""
        self._write_medium(step, histogram_value(tag, histogram_of(_numbers_in(values))))

    def text(self, tag: str, text: str, step: int) -> None:
        """Markdown."""
        self._write_medium(step, text_value(tag, text))

    def image(self, tag: str, png: bytes, step: int) -> None:
        """Raises TypeError when the bytes are no PNG."""
        self._write_medium(step, image_value(tag, png))

    def _write_medium(self, step: int, value: bytes) -> None:
        whole = operator.index(step)
        try:
            with self._lock:
                self._write_params()
                self._write(whole, [value])
        except OSError as error:
            self._warn(f"TensorBoard's file cannot be written: {error}")

    def _write_params(self) -> None:
        if self._are_params_written or self._params is None:
            return
        self._write(0, [hparams_start_value(self._params, self._started_at_ms or _now_ms())])
        self._are_params_written = True

    def _write(self, step: int, values: Sequence[bytes], time_ms: Optional[int] = None) -> None:
        at = _now_ms() if time_ms is None else time_ms
        if self._file is None:
            self._file = EventFile(self._directory, at)
        self._file.append([summary_event(at, step, values)])


def _scalars_of(record: MetricRecord) -> Iterator[bytes]:
    tag = f"batch/{record.name}" if record.of == "batch" else record.name
    yield scalar_value(tag, record.value)
    for label, part in (record.labels or {}).items():
        yield scalar_value(f"{tag}/{label}", part)


def _numbers_in(values: Any) -> Iterator[float]:
    detached = values.detach() if callable(getattr(values, "detach", None)) else values
    inner = detached.tolist() if callable(getattr(detached, "tolist", None)) else detached
    if isinstance(inner, (int, float)):
        yield float(inner)
        return
    for each in inner:
        yield from _numbers_in(each)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
