"""Records a run in a server of MLflow, or in any that speaks its REST API."""
from __future__ import annotations

import getpass
import math
import os
import re
import sys
from itertools import islice
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, TypeVar, Union

from .json_http import HttpRefused, JsonHttp, Patience, basic
from .level import Level, LevelEnd, LevelStatus
from .param_text import flat_params, param_text
from .tracker import MetricRecord, Tracker

_API = "/api/2.0/mlflow"
#: Limits of the API (mlflow/utils/validation.py).
_MAX_METRICS = 1000
_MAX_PARAMS = 100
_MAX_PARAM_CHARACTERS = 6000
_MAX_TAG_CHARACTERS = 5000
_MAX_KEY_CHARACTERS = 250

_STATUS: Mapping[LevelStatus, str] = {
    "completed": "FINISHED",
    "stopped": "FINISHED",
    "failed": "FAILED",
    "cancelled": "KILLED",
}
#: Tag by which a run is found again of which nobody knows whether it was made.
_ONCE = "trainyard.once"
Item = TypeVar("Item")


class MlflowTracker(Tracker):
    """Params, metrics with their steps, and how the run has ended. No package of MLflow is needed.

    Metrics of batches, whose steps are numbers of batches, are `batch/NAME`, the parts of a value `NAME/PART`; params of
    a mapping within one are `outer.inner`. What the API does not allow in a name becomes `_`. A server that does not
    answer is asked again for a minute; what it refuses is told of and left out.

    tracking_uri  address of the server; MLFLOW_TRACKING_URI if left out
    experiment    name of the experiment, which is made if it is not there; MLFLOW_EXPERIMENT_NAME, else `Default`
    run_name      the server makes one up if left out; MLFLOW_RUN_NAME
    run_id        a run that is there already and goes on; MLFLOW_RUN_ID
    parent_run_id the run that this one is nested in
    tags          of the run
    once          a name of which there is one run only: one that was made with it, and not heard of, is gone on with

    MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, say who it is.
    Raises ValueError when there is no address.
    """

    name = "mlflow"
    joins_values = _MAX_METRICS

    def __init__(
        self,
        tracking_uri: Optional[str] = None,
        experiment: Optional[str] = None,
        *,
        run_name: Optional[str] = None,
        run_id: Optional[str] = None,
        parent_run_id: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        once: Optional[str] = None,
        patience: Patience = Patience(),
        env: Optional[Mapping[str, str]] = None,
    ) -> None:
        variables = os.environ if env is None else env
        address = tracking_uri or variables.get("MLFLOW_TRACKING_URI", "")
        if address == "":
            raise ValueError("MlflowTracker needs the address of a server: tracking_uri, or MLFLOW_TRACKING_URI.")
        self._server = JsonHttp(address, _authorization(variables), patience)
        self._experiment = experiment or variables.get("MLFLOW_EXPERIMENT_NAME") or "Default"
        self._run_name = run_name or variables.get("MLFLOW_RUN_NAME")
        self._parent_run_id = parent_run_id
        self._tags = {**(tags or {}), **({} if once is None else {_ONCE: once})}
        #: Of the run, once it has begun.
        self.run_id: Optional[str] = run_id or variables.get("MLFLOW_RUN_ID")
        self._is_open = False
        self._started_at_ms = 0

    def on_start(self, level: Level) -> None:
        if level.kind == "run":
            self._started_at_ms = level.started_at_ms
            self._open()

    def log_params(self, params: Mapping[str, Any]) -> None:
        flat = [
            {"key": _key(name), "value": param_text(value)[:_MAX_PARAM_CHARACTERS]}
            for name, value in flat_params(params).items()
        ]
        for some in _chunks(flat, _MAX_PARAMS):
            self._log(params=some)

    def track(self, records: Sequence[MetricRecord]) -> None:
        for some in _chunks((metric for record in records for metric in _metrics_of(record)), _MAX_METRICS):
            self._log(metrics=some)

    def on_end(self, level: Level, end: LevelEnd) -> None:
        if level.kind != "run":
            return
        why = end.reason if end.error is None else f"{end.error.type}: {end.error.message}"
        if why is not None:
            self._log(tags=[{"key": "trainyard.reason", "value": why[:_MAX_TAG_CHARACTERS]}])
        self._update(_STATUS[end.status], end.ended_at_ms)

    def _log(self, **values: List[Dict[str, Any]]) -> None:
        self._open()
        self._server.post(f"{_API}/runs/log-batch", {"run_id": self.run_id, **values})

    def _open(self) -> None:
        """Also behind a beginning that no server has heard: the run is made once there is one."""
        if self._is_open:
            return
        if self.run_id is None:
            experiment = self._experiment_id()
            self.run_id = self._made_before(experiment) or self._create(experiment)
        else:
            self._update("RUNNING")
        self._is_open = True

    def _create(self, experiment: str) -> str:
        body = {
            "experiment_id": experiment,
            "start_time": self._started_at_ms,
            "tags": [{"key": key, "value": value} for key, value in self._all_tags().items()],
            **({} if self._run_name is None else {"run_name": self._run_name}),
        }
        return str(self._server.post(f"{_API}/runs/create", body)["run"]["info"]["run_id"])

    def _made_before(self, experiment: str) -> Optional[str]:
        if _ONCE not in self._tags:
            return None
        query = {"experiment_ids": [experiment], "filter": f"tags.`{_ONCE}` = '{self._tags[_ONCE]}'", "max_results": 1}
        runs = self._server.post(f"{_API}/runs/search", query).get("runs", [])
        return str(runs[0]["info"]["run_id"]) if runs else None

    def _update(self, status: str, end_time: Optional[int] = None) -> None:
        ended = {} if end_time is None else {"end_time": end_time}
        self._server.post(f"{_API}/runs/update", {"run_id": self.run_id, "status": status, **ended})

    def _experiment_id(self) -> str:
        found = self._found_experiment()
        if found is None:
            try:
                found = self._server.post(f"{_API}/experiments/create", {"name": self._experiment})["experiment_id"]
            except HttpRefused as refused:
                # Another program has made it meanwhile.
                found = self._found_experiment() if refused.code == "RESOURCE_ALREADY_EXISTS" else None
                if found is None:
                    raise
        return str(found)

    def _found_experiment(self) -> Optional[str]:
        query = {"experiment_name": self._experiment}
        try:
            experiment = self._server.get(f"{_API}/experiments/get-by-name", query)["experiment"]
        except HttpRefused as refused:
            if refused.code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        if experiment.get("lifecycle_stage", "active") != "active":
            raise ValueError(f'The experiment "{self._experiment}" was deleted; restore it, or give another name.')
        return str(experiment["experiment_id"])

    def _all_tags(self) -> Dict[str, str]:
        given = {"mlflow.source.name": sys.argv[0] or "python", "mlflow.source.type": "LOCAL", **self._tags}
        try:
            given.setdefault("mlflow.user", getpass.getuser())
        except (KeyError, OSError, ImportError):  # A user without a name, as in a container.
            pass
        if self._parent_run_id is not None:
            given["mlflow.parentRunId"] = self._parent_run_id
        return given


def _metrics_of(record: MetricRecord) -> Iterator[Dict[str, Any]]:
    name = f"batch/{record.name}" if record.of == "batch" else record.name
    at = {"timestamp": record.time_ms, "step": record.step}
    yield {"key": _key(name), "value": _number(record.value), **at}
    for label, part in (record.labels or {}).items():
        yield {"key": _key(f"{name}/{label}"), "value": _number(part), **at}


def _number(value: float) -> Union[float, str]:
    """As the JSON of Protocol Buffers has it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _key(name: str) -> str:
    return re.sub(r"[^\w.\- :/]", "_", name)[:_MAX_KEY_CHARACTERS]


def _chunks(items: Iterable[Item], size: int) -> Iterator[List[Item]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def _authorization(variables: Mapping[str, str]) -> Dict[str, str]:
    token, user = variables.get("MLFLOW_TRACKING_TOKEN"), variables.get("MLFLOW_TRACKING_USERNAME")
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user:
        return {"Authorization": basic(user, variables.get("MLFLOW_TRACKING_PASSWORD", ""))}
    return {}
