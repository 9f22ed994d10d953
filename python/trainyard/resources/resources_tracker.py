"""Measures the machine while a run goes on."""
from __future__ import annotations

import json
import os
import threading
from collections import deque
from typing import Any, Deque, Dict, List, Optional, TextIO

from ..level import Level, LevelEnd
from ..tracker import Tracker
from .bottlenecks import Thresholds, alerts_of, find_bottlenecks
from .level_summary import LevelSummary
from .machine import Machine
from .plot import plot_svg
from .sample import Sample

#: Summaries of epochs that are kept; of a longer run those of the last.
_MAX_EPOCHS = 1000


class ResourcesTracker(Tracker):
    """Writes `samples.jsonl` while the run goes on, and at its end `summary.json` and `plot.svg`.

    The summary has mean and maximum of each quantity for the run and for each epoch, how often a part of the machine was
    above its threshold, and what held the training up, with advice; that needs ten samples.

    directory         where they are written
    interval_seconds  from one sample to the next
    thresholds        percent above which a part is busy
    max_samples       samples that are kept for analysis and plot: the newest. All are written
    is_lightweight    processors, memory and GPUs only, not disks, network, load and number of processes
    """

    name = "resources"

    def __init__(
        self,
        directory: str = "resources",
        *,
        interval_seconds: float = 1.0,
        thresholds: Thresholds = Thresholds(),
        max_samples: int = 1000,
        is_lightweight: bool = True,
        machine: Optional[Machine] = None,
    ) -> None:
        if not interval_seconds > 0:
            raise ValueError(f"interval_seconds is a number above 0, not {interval_seconds}.")
        self._directory = directory
        self._interval_seconds = interval_seconds
        self._thresholds = thresholds
        self._machine = machine or Machine(is_lightweight)
        self._lock = threading.Lock()
        self._samples: Deque[Sample] = deque(maxlen=max_samples)
        self._open: Dict[str, LevelSummary] = {}
        self._epochs: Deque[Dict[str, Any]] = deque(maxlen=_MAX_EPOCHS)
        self._alerts: Dict[str, Dict[str, int]] = {}
        self._is_over = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._file: Optional[TextIO] = None
        self._fault: Optional[Exception] = None

    def on_start(self, level: Level) -> None:
        if level.kind == "batch":
            return
        with self._lock:
            self._open[level.kind] = LevelSummary(level)
        if level.kind == "run":
            os.makedirs(self._directory, exist_ok=True)
            self._file = open(self._path("samples.jsonl"), "a", encoding="utf-8")
            self._thread = threading.Thread(target=self._follow, name="trainyard resources samples", daemon=True)
            self._thread.start()

    def on_end(self, level: Level, end: LevelEnd) -> None:
        if level.kind == "batch":
            return
        # Also an epoch that is shorter than the interval has a sample.
        self._take()
        with self._lock:
            summary = self._open.pop(level.kind).to_json(end.ended_at_ms)
            if level.kind == "epoch":
                self._epochs.append(summary)
                return
        self._stop()
        if self._fault is not None:
            raise self._fault
        self._write("summary.json", json.dumps(self._summary(summary), indent=2) + "\n")
        self._write("plot.svg", plot_svg(list(self._samples)))

    def close(self) -> None:
        self._stop()
        if self._file is not None:
            self._file.close()
        self._file = None

    @property
    def samples(self) -> List[Sample]:
        """The newest that were taken."""
        with self._lock:
            return list(self._samples)

    def _follow(self) -> None:
        while not self._is_over.wait(self._interval_seconds):
            try:
                self._take()
            except Exception as error:  # It is told of at the end of the run: nobody listens here.
                self._fault = error
                return

    def _take(self) -> None:
        with self._lock:
            sample = self._machine.sample()
            self._samples.append(sample)
            for summary in self._open.values():
                summary.add(sample)
            for resource, severity in alerts_of(sample, self._thresholds).items():
                counts = self._alerts.setdefault(resource, {"busy": 0, "critical": 0})
                counts[severity] += 1
            if self._file is not None:
                self._file.write(json.dumps(sample.to_json()) + "\n")
                self._file.flush()

    def _summary(self, run: Dict[str, Any]) -> Dict[str, Any]:
        bottlenecks = find_bottlenecks(self.samples, self._thresholds)
        return {
            "run": run,
            "epochs": list(self._epochs),
            "alerts": self._alerts,
            "bottlenecks": [vars(each) for each in bottlenecks],
        }

    def _stop(self) -> None:
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = None

    def _write(self, name: str, text: str) -> None:
        with open(self._path(f"{name}.new"), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self._path(f"{name}.new"), self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)
