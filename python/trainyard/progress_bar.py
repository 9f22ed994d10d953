"""Shows on a terminal how far an epoch has come."""
from __future__ import annotations

import math
import os
import sys
from typing import Optional, Sequence, TextIO

from .callback import Callback, CallbackContext, CallbackEnd
from .metric_scope import MetricScope
from .number_text import number_text

_REDRAW_MS = 100
_BAR_WIDTH = 20
_DEFAULT_COLUMNS = 80


class ProgressBar(Callback):
    """Leaves a line of each epoch. Where there is no terminal it writes nothing: a log has no use for it.

    epochs   epochs that the program will train; its lines say only what was done if left out
    batches  batches of an epoch
    stream   standard error if left out
    columns  width of the terminal; asked of it if left out
    """

    name = "progress-bar"

    def __init__(
        self,
        epochs: Optional[int] = None,
        batches: Optional[int] = None,
        stream: Optional[TextIO] = None,
        columns: Optional[int] = None,
    ) -> None:
        self._epochs = epochs
        self._batches_of_epoch = batches
        self._stream = sys.stderr if stream is None else stream
        self._columns = columns
        self._batches = 0
        self._drawn_at_ms = 0
        self._is_line_open = False

    def on_epoch_start(self, context: CallbackContext) -> None:
        self._batches, self._drawn_at_ms = 0, context.level.started_at_ms

    def on_batch_end(self, context: CallbackEnd) -> None:
        self._batches += 1
        now, epoch = context.end.ended_at_ms, context.level.parent
        if now - self._drawn_at_ms < _REDRAW_MS or epoch is None:
            return
        self._drawn_at_ms = now
        self._draw([self._epoch_text(epoch.index), self._batch_text(), _metrics_text(context.metrics)])

    def on_epoch_end(self, context: CallbackEnd) -> None:
        seconds = (context.end.ended_at_ms - context.level.started_at_ms) / 1000
        self._draw([self._epoch_text(context.level.index), f"{seconds:.1f} s", _metrics_text(context.metrics)])
        self._end_line()

    def on_run_end(self, context: CallbackEnd) -> None:
        """What an epoch that has failed has left stays readable."""
        self._end_line()

    def _epoch_text(self, index: int) -> str:
        return f"epoch {index}" if self._epochs is None else f"epoch {index + 1}/{self._epochs}"

    def _batch_text(self) -> str:
        total = self._batches_of_epoch
        if total is None:
            return f"{self._batches} batches"
        done = min(_BAR_WIDTH, int(_BAR_WIDTH * self._batches / total + 0.5))
        return f"[{'#' * done}{'-' * (_BAR_WIDTH - done)}] {self._batches}/{total}"

    def _draw(self, parts: Sequence[str]) -> None:
        if not self._stream.isatty():
            return
        # A line that wraps could not be drawn over.
        line = "  ".join(part for part in parts if part != "")[: self._width() - 1]
        self._stream.write(f"\r\x1b[2K{line}")
        self._stream.flush()
        self._is_line_open = True

    def _width(self) -> int:
        if self._columns is not None:
            return self._columns
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or _DEFAULT_COLUMNS
        except (OSError, ValueError):
            return _DEFAULT_COLUMNS

    def _end_line(self) -> None:
        if self._is_line_open:
            self._stream.write("\n")
            self._stream.flush()
        self._is_line_open = False


def _metrics_text(metrics: MetricScope) -> str:
    return " ".join(f"{name}={number_text(_rounded(number.total))}" for name, number in metrics.items())


def _rounded(value: float) -> float:
    """To four significant digits."""
    return float(f"{value:.4g}") if math.isfinite(value) else value
