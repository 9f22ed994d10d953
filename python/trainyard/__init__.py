"""What a training program written in Python imports."""
from .callback import Callback, CallbackContext, CallbackEnd
from .catalogue import MetricKind, UnknownMetric
from .console_tracker import ConsoleTracker
from .early_stopping import EarlyStopping, StopReason
from .endings import EpochStopped, LifecycleMisuse, RunCancelled, RunStopped
from .files_tracker import FilesTracker
from .level import ErrorReport, Level, LevelEnd, LevelKind, LevelStatus
from .metric_scope import MetricScope
from .metric_value import MetricNumber, NotAMetric
from .metrics_csv import MetricsCsv
from .pipeline import LevelScope, Pipeline, RunOutcome
from .tracker import MetricRecord, Tracker
from .wrappers import batch_wrapper, epoch_wrapper, run_wrapper

__all__ = [
    "Callback",
    "CallbackContext",
    "CallbackEnd",
    "ConsoleTracker",
    "EarlyStopping",
    "EpochStopped",
    "ErrorReport",
    "FilesTracker",
    "Level",
    "LevelEnd",
    "LevelKind",
    "LevelScope",
    "LevelStatus",
    "LifecycleMisuse",
    "MetricKind",
    "MetricNumber",
    "MetricRecord",
    "MetricScope",
    "MetricsCsv",
    "NotAMetric",
    "Pipeline",
    "RunCancelled",
    "RunOutcome",
    "RunStopped",
    "StopReason",
    "Tracker",
    "UnknownMetric",
    "batch_wrapper",
    "epoch_wrapper",
    "run_wrapper",
]
