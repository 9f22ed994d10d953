"""Metrics as a CSV file."""
from __future__ import annotations

import math
import os
import re
from typing import Any, Dict, List

from .callback import Callback, CallbackContext, CallbackEnd
from .checkpoint import Checkpoint
from .metric_scope import MetricScope
from .number_text import number_text

_LEADING = ("row", "epoch")


class MetricsCsv(Callback):
    """Writes a row `EPOCH` for each epoch and a row `FINAL` for the run.

    Columns are the metrics in the order in which they first came; a row without one says `nan`. A new metric
    rewrites the file with its column.
    """

    def __init__(self, path: str = "metrics.log") -> None:
        self.name = f"metrics-csv {path}"
        self._path = path
        self._columns: List[str] = []

    def on_run_start(self, context: CallbackContext) -> None:
        self._columns = []
        os.makedirs(os.path.dirname(self._path) or ".", exist_ok=True)
        self._write("w", [",".join(_LEADING)])

    def state(self) -> Dict[str, Any]:
        """The rows so far: those that a run wrote behind the checkpoint that it resumes from are written anew."""
        with open(self._path, encoding="utf-8") as file:
            return {"columns": list(self._columns), "text": file.read()}

    def restore(self, state: Any, checkpoint: Checkpoint) -> None:
        self._columns = list(state["columns"])
        with open(self._path, "w", encoding="utf-8", newline="\n") as file:
            file.write(state["text"])

    def on_epoch_end(self, context: CallbackEnd) -> None:
        self._append("EPOCH", str(context.level.index), context.metrics)

    def on_run_end(self, context: CallbackEnd) -> None:
        self._append("FINAL", "", context.metrics)

    def _append(self, row: str, epoch: str, metrics: MetricScope) -> None:
        values = {name: number.total for name, number in metrics.items()}
        added = [name for name in values if name not in self._columns]
        if added:
            self._widen(added)
        cells = [_cell(values.get(name, math.nan)) for name in self._columns]
        self._write("a", [",".join([row, epoch, *cells])])

    def _widen(self, added: List[str]) -> None:
        self._columns.extend(added)
        with open(self._path, encoding="utf-8") as file:
            rows = file.read().splitlines()[1:]
        head = ",".join([*_LEADING, *map(_quoted, self._columns)])
        self._write("w", [head, *(row + ",nan" * len(added) for row in rows)])

    def _write(self, mode: str, lines: List[str]) -> None:
        with open(self._path, mode, encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines)


def _cell(value: float) -> str:
    return "nan" if math.isnan(value) else number_text(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if re.search('[",\n]', name) else name
