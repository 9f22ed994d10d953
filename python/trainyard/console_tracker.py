"""Tells people on a terminal how the run goes."""
from __future__ import annotations

from typing import Callable, Optional, Sequence

from .level import Level, LevelEnd
from .number_text import number_text
from .tracker import MetricRecord, Tracker


def _print_line(line: str) -> None:
    print(line, flush=True)


class ConsoleTracker(Tracker):
    """Writes a line for each epoch and for the end of the run, on standard output or where `write` says."""

    name = "console"

    def __init__(self, write: Callable[[str], object] = _print_line) -> None:
        self._write = write

    def on_start(self, level: Level) -> None:
        if level.kind == "run":
            self._write("run started")

    def track(self, records: Sequence[MetricRecord]) -> None:
        first = records[0]
        if first.of == "batch":
            return
        epoch = "-" if first.epoch is None else first.epoch
        place = "run" if first.of == "run" else f"epoch {epoch}, step {first.step}"
        values = " ".join(f"{record.name}={number_text(float(f'{record.value:.6g}'))}" for record in records)
        self._write(f"{place}: {values}")

    def on_end(self, level: Level, end: LevelEnd) -> None:
        if level.kind == "run":
            seconds = (end.ended_at_ms - level.started_at_ms) / 1000
            self._write(f"run {end.status}{_why(end)} after {seconds:.1f} s")


def _why(end: LevelEnd) -> str:
    cause: Optional[str] = end.reason if end.error is None else f"{end.error.type}: {end.error.message}"
    return "" if cause is None else f" ({cause})"
