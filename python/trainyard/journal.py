"""Calls of a tracker on disk, until a server has taken them."""
from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any, BinaryIO, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .json_http import HttpRefused, HttpUnreachable, Patience
from .level import ErrorReport, Level, LevelEnd
from .mlflow_tracker import MlflowTracker
from .number_text import number_text
from .param_text import flat_params
from .tracker import MetricRecord

#: Values that are sent in one call.
_MAX_VALUES = 1000


class Journal:
    """`NAME.jsonl` has a call a line, each with the operating system once `append` returns.

    `NAME.sent.json` says how far a server has taken them, and as which run.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: Optional[BinaryIO] = None

    @property
    def name(self) -> str:
        return os.path.basename(self.path)[: -len(".jsonl")]

    def append(self, call: str, value: Any) -> None:
        if self._file is None:
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            self._file = open(self.path, "ab", buffering=0)
        self._file.write((json.dumps({"call": call, "value": value}) + "\n").encode())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def sent(self) -> Tuple[int, Optional[str]]:
        """Bytes that a server has taken, and the id of the run there."""
        try:
            with open(self._sent_path, encoding="utf-8") as file:
                sent = json.load(file)
            return sent["bytes"], sent["run_id"]
        except FileNotFoundError:
            return 0, None

    def mark_sent(self, size: int, run_id: Optional[str]) -> None:
        with open(f"{self._sent_path}.new", "w", encoding="utf-8") as file:
            json.dump({"bytes": size, "run_id": run_id}, file)
        os.replace(f"{self._sent_path}.new", self._sent_path)

    def calls(self, since: int) -> Iterator[Tuple[int, str, Any]]:
        """Calls behind so many bytes, each with where it ends. A line that was torn at the end is none yet."""
        with open(self.path, "rb") as file:
            file.seek(since)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                since += len(line)
                told = json.loads(line)
                yield since, told["call"], told["value"]

    def begun(self) -> Dict[str, Any]:
        """How the run is called, as its first line says."""
        for _, call, value in self.calls(0):
            if call == "start":
                begun: Dict[str, Any] = value
                return begun
        return {}

    @property
    def _sent_path(self) -> str:
        return self.path[: -len(".jsonl")] + ".sent.json"


def send(
    journal: Journal,
    tracking_uri: str,
    warn: Callable[[str], None],
    *,
    patience: Patience = Patience(),
    env: Optional[Mapping[str, str]] = None,
) -> bool:
    """Has a server take what it has not yet, each value once. Whether it has taken all.

    What was taken while nobody heard so is said again: a value that is there already stays one value.
    """
    begun = journal.begun()
    since, run_id = journal.sent()
    tracker = MlflowTracker(
        tracking_uri,
        begun.get("experiment"),
        run_name=begun.get("run_name"),
        run_id=run_id,
        tags=begun.get("tags"),
        once=journal.name,
        patience=patience,
        env=env,
    )
    for size, call, value in _joined(journal.calls(since)):
        try:
            _make(tracker, call, value)
        except HttpUnreachable as error:
            warn(f"The journal {journal.path} is not sent yet: {error}")
            return False
        except HttpRefused as error:
            warn(f"The server has refused a line of the journal {journal.path}: {error}")
        journal.mark_sent(size, tracker.run_id)
    return True


def _joined(calls: Iterator[Tuple[int, str, Any]]) -> Iterator[Tuple[int, str, Any]]:
    """Values that follow each other go in one call."""
    waiting: Optional[Tuple[int, str, List[Any]]] = None
    for size, call, value in calls:
        if waiting is not None and call == "track" and len(waiting[2]) + len(value) <= _MAX_VALUES:
            waiting = (size, call, [*waiting[2], *value])
            continue
        if waiting is not None:
            yield waiting
        waiting = (size, call, value) if call == "track" else None
        if call != "track":
            yield size, call, value
    if waiting is not None:
        yield waiting


def _make(tracker: MlflowTracker, call: str, value: Any) -> None:
    run = Level("run", 0, None, 0, 0)
    if call == "start":
        tracker.on_start(Level("run", 0, None, value["started_at_ms"], 0))
    elif call == "params":
        tracker.log_params(value)
    elif call == "track":
        tracker.track([MetricRecord(**{**each, "value": float(each["value"])}) for each in map(_read_labels, value)])
    elif call == "end":
        error = None if value["error"] is None else ErrorReport(**value["error"])
        tracker.on_end(run, LevelEnd(value["status"], value["ended_at_ms"], error, value["reason"]))


def records_json(records: Sequence[MetricRecord]) -> List[Dict[str, Any]]:
    """Numbers as texts: JSON has no NaN."""
    return [
        {
            **asdict(record),
            "value": number_text(record.value),
            "labels": None if record.labels is None else {k: number_text(v) for k, v in record.labels.items()},
        }
        for record in records
    ]


def params_json(params: Mapping[str, Any]) -> Dict[str, Any]:
    return dict(flat_params(params))


def _read_labels(record: Dict[str, Any]) -> Dict[str, Any]:
    labels = record["labels"]
    return record if labels is None else {**record, "labels": {name: float(part) for name, part in labels.items()}}
