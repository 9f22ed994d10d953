"""One run of a trial of an experiment in YAML (docs/guides/experiments.md)."""
from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, TypeVar

from .callback import Callback
from .console_tracker import ConsoleTracker
from .csv_tracker import CsvTracker
from .early_stopping import EarlyStopping
from .files_tracker import FilesTracker
from .metrics_csv import MetricsCsv
from .mlflow_tracker import MlflowTracker
from .pipeline import Pipeline
from .progress_bar import ProgressBar
from .registry import Registry
from .resources import ResourcesTracker
from .run_conduct import RunOutcome
from .tensorboard import TensorboardTracker
from .tracker import Tracker

Result = TypeVar("Result")


@dataclass(frozen=True)
class TrialConfig:
    """The effective config of one run of a trial."""

    experiment: Mapping[str, Any]
    trial: Mapping[str, Any]
    #: Counts from 0.
    repeat: int
    #: 0 to 2**31 - 1.
    seed: int
    device: str
    verbose: bool
    debug: bool
    args: Mapping[str, Any]
    settings: Mapping[str, Any]
    trackers: Tuple[Mapping[str, Any], ...]
    #: Directory for what the experiment leaves, relative to that of its files.
    workspace: str


@dataclass(frozen=True)
class TrialContext:
    """What a factory may know beside its settings. The directories are those of the trial run; they exist."""

    config: TrialConfig
    logs: str
    artifacts: str
    configs: str


@dataclass(frozen=True)
class MadeForTrial(TrialContext):
    """What a factory of pipelines gets beside the settings of its pipeline."""

    trackers: Tuple[Tracker, ...]
    callbacks: Tuple[Callback, ...]


def read_trial_config(file: Optional[str] = None) -> TrialConfig:
    """The effective config of the trial run that this program is.

    `file` is one that `trainyard experiment run` has saved; TRAINYARD_PARAMS if left out, which a stage has. Raises
    ValueError when there is none, or it is none of an experiment.
    """
    path = file or os.environ.get("TRAINYARD_PARAMS")
    if not path:
        raise ValueError(
            'There is no config: start the program by "trainyard experiment run", or set TRAINYARD_PARAMS to a '
            "config.json that it saved."
        )
    with open(path, encoding="utf-8") as opened:
        read = json.load(opened)
    missing = next((key for key in TrialConfig.__dataclass_fields__ if key not in read), None)
    if missing is not None:
        raise ValueError(f'{path} is no config of an experiment\'s trial: it has no "{missing}"')
    known = {key: read[key] for key in TrialConfig.__dataclass_fields__}
    return TrialConfig(**{**known, "trackers": tuple(read["trackers"])})


def tracker_registry() -> Registry[Tracker, TrialContext]:
    """The trackers that `env.yaml` may name: trainyard, console, tensorboard, mlflow, resources, csv."""
    registry: Registry[Tracker, TrialContext] = Registry("tracker")
    registry.register("trainyard", lambda settings, _: FilesTracker(**_snake(settings)))
    registry.register("console", lambda settings, _: ConsoleTracker())
    registry.register("tensorboard", _inside(TensorboardTracker, "directory", "tensorboard"))
    registry.register("mlflow", lambda settings, _: MlflowTracker(**_snake(settings)))
    registry.register("resources", _inside(ResourcesTracker, "directory", "resources"))
    registry.register("csv", _inside(CsvTracker, "path", "metrics.csv"))
    return registry


def callback_registry() -> Registry[Callback, TrialContext]:
    """The callbacks that settings may name: early_stopping, metrics_csv, progress_bar."""
    registry: Registry[Callback, TrialContext] = Registry("callback")
    registry.register("early_stopping", lambda settings, _: EarlyStopping(**_snake(settings)))
    registry.register(
        "metrics_csv",
        lambda settings, context: MetricsCsv(os.path.join(context.logs, str(settings.get("path", "metrics.log")))),
    )
    registry.register("progress_bar", lambda settings, _: ProgressBar(**_snake(settings)))
    return registry


def run_trial(
    pipelines: Registry[Pipeline[Result], MadeForTrial],
    *,
    trackers: Optional[Registry[Tracker, TrialContext]] = None,
    callbacks: Optional[Registry[Callback, TrialContext]] = None,
    config: Optional[TrialConfig] = None,
) -> RunOutcome[Result]:
    """Runs one trial run from its config alone.

    Trackers are made of `trackers` of env.yaml, callbacks of `settings.callbacks`, the pipeline of
    `settings.pipeline`. Raises UnknownType for a type that is not registered, ValueError for a config that says too
    little, and what the pipeline raises.
    """
    read = config or read_trial_config()
    pipeline = _typed(read.settings.get("pipeline"), "settings.pipeline")
    listed = read.settings.get("callbacks", [])
    if not isinstance(listed, list):
        raise ValueError('"settings.callbacks" is a list of mappings with a type.')
    context = _context_of(read)
    of_trackers = trackers or tracker_registry()
    of_callbacks = callbacks or callback_registry()
    made: List[Callback] = [
        of_callbacks.create(_typed(each, f"settings.callbacks[{at}]"), context) for at, each in enumerate(listed)
    ]
    for_pipeline = MadeForTrial(
        config=read,
        logs=context.logs,
        artifacts=context.artifacts,
        configs=context.configs,
        trackers=tuple(of_trackers.create(each, context) for each in read.trackers),
        callbacks=tuple(made),
    )
    return pipelines.create(pipeline, for_pipeline).run()


def _context_of(config: TrialConfig) -> TrialContext:
    name = str(config.trial["name"])
    level = os.path.abspath(os.path.join(config.workspace, name, f"{name}-{config.repeat}"))
    logs, artifacts, configs = (os.path.join(level, each) for each in ("logs", "artifacts", "configs"))
    for directory in (logs, artifacts, configs):
        os.makedirs(directory, exist_ok=True)
    return TrialContext(config, logs, artifacts, configs)


def _inside(make: Callable[..., Tracker], key: str, name: str) -> Callable[[Dict[str, Any], TrialContext], Tracker]:
    """Writes below the artifacts of the trial run, unless its settings say otherwise."""
    return lambda settings, context: make(**{key: os.path.join(context.artifacts, name), **_snake(settings)})


def _snake(settings: Mapping[str, Any]) -> Dict[str, Any]:
    """The same config may name what a program in TypeScript calls `minEpochs`."""
    return {re.sub(r"[A-Z]", lambda letter: "_" + letter.group().lower(), key): settings[key] for key in settings}


def _typed(value: Any, where: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping) and isinstance(value.get("type"), str):
        return value
    raise ValueError(f'"{where}" is a mapping with a "type", not {json.dumps(value)}.')
