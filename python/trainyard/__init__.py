"""What a training program written in Python imports."""
from .batch_source import SeededBatches
from .callback import Callback, CallbackContext, CallbackEnd, CallbackResume
from .catalogue import MetricKind, UnknownMetric
from .checkpoint import Checkpoint
from .console_tracker import ConsoleTracker
from .csv_tracker import CsvTracker
from .early_stopping import EarlyStopping, StopReason
from .endings import EpochStopped, LifecycleMisuse, RunCancelled, RunStopped
from .experiment import MadeForTrial, TrialContext, TrialConfig, callback_registry, read_trial_config, run_trial, tracker_registry
from .files_tracker import FilesTracker
from .learning_rate_monitor import LearningRateMonitor
from .level import ErrorReport, Level, LevelEnd, LevelKind, LevelStatus
from .level_scope import LevelScope
from .metric_scope import MetricOutOfScope, MetricScope
from .metric_value import MetricNumber, NotAMetric
from .metrics_csv import MetricsCsv
from .mlflow_tracker import MlflowTracker
from .model_checkpoint import ModelCheckpoint, checkpoint_directory, checkpoint_to_resume, latest_checkpoint
from .pipeline import Pipeline
from .progress_bar import ProgressBar
from .registry import Registry, UnknownType
from .resources import ResourcesTracker
from .run_conduct import RunOutcome
from .seeded_random import SeededRandom
from .tensorboard import TensorboardTracker
from .tracker import MetricRecord, Tracker
from .trainyard_tracker import TrainyardTracker
from .wrappers import batch_wrapper, epoch_wrapper, run_wrapper

__all__ = [
    "Callback",
    "CallbackContext",
    "CallbackEnd",
    "CallbackResume",
    "Checkpoint",
    "ConsoleTracker",
    "CsvTracker",
    "EarlyStopping",
    "EpochStopped",
    "ErrorReport",
    "FilesTracker",
    "LearningRateMonitor",
    "Level",
    "LevelEnd",
    "LevelKind",
    "LevelScope",
    "LevelStatus",
    "LifecycleMisuse",
    "MadeForTrial",
    "MetricKind",
    "MetricNumber",
    "MetricOutOfScope",
    "MetricRecord",
    "MetricScope",
    "MetricsCsv",
    "MlflowTracker",
    "ModelCheckpoint",
    "NotAMetric",
    "Pipeline",
    "ProgressBar",
    "Registry",
    "ResourcesTracker",
    "RunCancelled",
    "RunOutcome",
    "RunStopped",
    "SeededBatches",
    "SeededRandom",
    "StopReason",
    "TensorboardTracker",
    "Tracker",
    "TrainyardTracker",
    "TrialConfig",
    "TrialContext",
    "UnknownMetric",
    "UnknownType",
    "batch_wrapper",
    "callback_registry",
    "checkpoint_directory",
    "checkpoint_to_resume",
    "epoch_wrapper",
    "latest_checkpoint",
    "read_trial_config",
    "run_trial",
    "run_wrapper",
    "tracker_registry",
]
