"""Records a run on a Trainyard server over HTTP, also while that is away."""
from __future__ import annotations

import logging
import os
import threading
import uuid
from dataclasses import asdict
from typing import Any, Callable, Mapping, Optional, Sequence

from .journal import Journal, params_json, records_json, send
from .json_http import Patience
from .level import Level, LevelEnd
from .tracker import MetricRecord, Tracker

_AWAY = Patience(timeout_seconds=5, retry_seconds=0)


class TrainyardTracker(Tracker):
    """Writes each call to a journal on disk, and sends it from there; training never waits for the server.

    A program that is killed loses nothing that it was told is recorded, and a server that is away gets it later, once:
    when it is back, or by `python -m trainyard sync DIRECTORY`. For programs that Trainyard does not run itself; in a
    stage FilesTracker does the same by files.

    address        of the server; TRAINYARD_URL if left out. Without one the journal is only written
    experiment     which the run belongs to, made if it is not there; `Default` if left out
    directory      where journals are kept
    close_seconds  how long the end of a run waits for the server
    """

    name = "trainyard http"
    is_durable = True

    def __init__(
        self,
        address: Optional[str] = None,
        experiment: Optional[str] = None,
        *,
        run_name: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        directory: str = "trainyard-journal",
        interval_seconds: float = 1.0,
        close_seconds: float = 5.0,
        warn: Optional[Callable[[str], None]] = None,
        env: Optional[Mapping[str, str]] = None,
    ) -> None:
        variables = os.environ if env is None else env
        self._address = address or variables.get("TRAINYARD_URL", "")
        token = variables.get("TRAINYARD_TOKEN", "")
        self._env = {"MLFLOW_TRACKING_TOKEN": token} if token else {}
        self._begun = {"experiment": experiment or "Default", "run_name": run_name, "tags": dict(tags or {})}
        self._interval_seconds = interval_seconds
        self._close_seconds = close_seconds
        self._warn = warn or logging.getLogger("trainyard").warning
        self.journal = Journal(os.path.join(directory, f"{uuid.uuid4()}.jsonl"))
        self._is_over = threading.Event()
        self._is_new = threading.Event()
        self._thread: Optional[threading.Thread] = None

    def on_start(self, level: Level) -> None:
        if level.kind != "run":
            return
        self._append("start", {**self._begun, "started_at_ms": level.started_at_ms})
        if self._address != "":
            self._thread = threading.Thread(target=self._follow, name="trainyard journal", daemon=True)
            self._thread.start()

    def log_params(self, params: Mapping[str, Any]) -> None:
        self._append("params", params_json(params))

    def track(self, records: Sequence[MetricRecord]) -> None:
        self._append("track", records_json(records))

    def on_end(self, level: Level, end: LevelEnd) -> None:
        if level.kind == "run":
            error = None if end.error is None else asdict(end.error)
            self._append(
                "end",
                {"status": end.status, "ended_at_ms": end.ended_at_ms, "error": error, "reason": end.reason},
            )

    def close(self) -> None:
        self._is_over.set()
        self._is_new.set()
        if self._thread is not None:
            self._thread.join(self._close_seconds)
        self.journal.close()
        if self._address != "" and os.path.exists(self.journal.path):
            left = os.path.getsize(self.journal.path) - self.journal.sent()[0]
            if left > 0:
                self._warn(
                    f"The server has not taken all of {self.journal.path} yet; "
                    f"python -m trainyard sync {os.path.dirname(self.journal.path)} sends the rest."
                )

    def _append(self, call: str, value: Any) -> None:
        self.journal.append(call, value)
        self._is_new.set()

    def _follow(self) -> None:
        is_told = False
        while True:
            self._is_new.wait()
            is_last = self._is_over.is_set()
            self._is_new.clear()
            told: "list[str]" = []
            try:
                is_done = send(self.journal, self._address, told.append, patience=_AWAY, env=self._env)
            except Exception as error:  # What the server has answered is no reason to lose the rest.
                told.append(f"The journal {self.journal.path} could not be sent: {type(error).__name__}: {error}")
                is_done = False
            if told and not is_told:
                self._warn(told[0])
            is_told = bool(told)
            if is_last:
                return
            if not is_done:
                self._is_new.set()
            self._is_over.wait(self._interval_seconds)
