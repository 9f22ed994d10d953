"""Writes the metrics files that Trainyard follows."""
from __future__ import annotations

import json
import math
import os
from typing import BinaryIO, Dict, List, Mapping, Optional, Sequence, Union

from .level import Level, LevelEnd
from .number_text import number_text
from .tracker import MetricRecord, Tracker

JsonNumber = Union[int, float, str]


class FilesTracker(Tracker):
    """Writes `{job}_metrics.jsonl` and `{job}_status.json` (docs/guides/pipelines.md, "Metrics").

    The directory is PLATFORM_METRICS_DIR if left out, else `./platform_metrics`; the job TRAINYARD_RUN_ID, else
    `run`. Metrics of batches, whose steps are numbers of batches, are written as `batch/NAME`; the parts of a value
    as `NAME/PART`. Each value is with the operating system when the call returns, so a program that is killed loses
    none.
    """

    name = "trainyard"
    is_durable = True

    def __init__(
        self,
        directory: Optional[str] = None,
        job: Optional[str] = None,
        env: Optional[Mapping[str, str]] = None,
    ) -> None:
        variables = os.environ if env is None else env
        self._directory = directory or variables.get("PLATFORM_METRICS_DIR", "").rstrip("/") or "./platform_metrics"
        job = job or variables.get("TRAINYARD_RUN_ID") or "run"
        self._metrics = os.path.join(self._directory, f"{job}_metrics.jsonl")
        self._status = os.path.join(self._directory, f"{job}_status.json")
        self._last_step = 0
        self._file: Optional[BinaryIO] = None
        os.makedirs(self._directory, exist_ok=True)

    def track(self, records: Sequence[MetricRecord]) -> None:
        by_step: Dict[int, List[MetricRecord]] = {}
        for record in records:
            by_step.setdefault(record.step, []).append(record)
        text = "".join(_metrics_line(max(0, step), values) for step, values in by_step.items())
        if self._file is None:
            self._file = open(self._metrics, "ab", buffering=0)
        self._file.write(text.encode())
        for record in records:
            if record.of == "epoch":
                self._last_step = max(self._last_step, record.step)

    def on_end(self, level: Level, end: LevelEnd) -> None:
        if level.kind != "run":
            return
        error = None if end.error is None else end.error.message
        with open(f"{self._status}.new", "w", encoding="utf-8", newline="\n") as file:
            file.write(_json({"status": end.status, "step": self._last_step, "error": error}))
        os.replace(f"{self._status}.new", self._status)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _metrics_line(step: int, records: Sequence[MetricRecord]) -> str:
    line: Dict[str, JsonNumber] = {"step": step, "timestamp": records[0].time_ms / 1000}
    for record in records:
        key = f"batch/{record.name}" if record.of == "batch" else record.name
        line[key] = _json_number(record.value)
        for label, part in (record.labels or {}).items():
            line[f"{key}/{label}"] = _json_number(part)
    return _json(line)


def _json_number(value: float) -> JsonNumber:
    """JSON has no NaN and no infinities; the reader of metrics files takes their names."""
    if not math.isfinite(value):
        return number_text(value)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _json(value: object) -> str:
    return _ENCODER.encode(value) + "\n"
