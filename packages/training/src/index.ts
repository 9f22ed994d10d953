export type { Callback, CallbackContext, CallbackEnd, CallbackResume } from './callbacks/callback.ts';
export type { Checkpoint } from './callbacks/checkpoint-directory.ts';
export { EarlyStopping, type EarlyStoppingOptions, type StopReason } from './callbacks/early-stopping.ts';
export { LearningRateMonitor, type LearningRateMonitorOptions } from './callbacks/learning-rate-monitor.ts';
export { MetricsCsv } from './callbacks/metrics-csv.ts';
export {
  checkpointDirectory,
  checkpointToResume,
  latestCheckpoint,
  ModelCheckpoint,
  type ModelCheckpointOptions,
} from './callbacks/model-checkpoint.ts';
export { ProgressBar, type ProgressBarOptions, type ProgressStream } from './callbacks/progress-bar.ts';
export type { BatchSource } from './data/batch-source.ts';
export { SeededBatches, type SeededBatchesOptions } from './data/seeded-batches.ts';
export { type RandomState, SeededRandom } from './data/seeded-random.ts';
export { mergeSettings, unfilled } from './experiments/merge-settings.ts';
export {
  type ExperimentFault,
  type ExperimentPlan,
  type PlannedTrial,
  planExperiment,
} from './experiments/plan-experiment.ts';
export { type Factory, Registry, type TypedSettings, UnknownType } from './experiments/registry.ts';
export {
  type MadeForTrial,
  readTrialConfig,
  runTrial,
  type TrialRegistries,
} from './experiments/run-trial.ts';
export { callbackRegistry, trackerRegistry } from './experiments/usual-registries.ts';
export { trialDirectory, type WorkspaceDirectories, workspaceDirectories } from './experiments/workspace.ts';
export type { ErrorReport, Level, LevelEnd, LevelKind, LevelStatus } from './lifecycle/level.ts';
export { Pipeline } from './lifecycle/pipeline.ts';
export type { PipelineOptions, RunOutcome } from './lifecycle/pipeline-options.ts';
export { EpochStopped, RunCancelled, RunStopped } from './lifecycle/signals.ts';
export { LifecycleMisuse } from './lifecycle/training-lifecycle.ts';
export { WrappedPipeline } from './lifecycle/wrapped-pipeline.ts';
export { batchWrapper, epochWrapper, runWrapper } from './lifecycle/wrappers.ts';
export { type MetricKind, UnknownMetric } from './metrics/catalogue.ts';
export { MetricOutOfScope, type MetricValues } from './metrics/metric-scope.ts';
export { type MetricInput, type MetricNumber, NotAMetric } from './metrics/metric-value.ts';
export { consoleTracker } from './trackers/console-tracker.ts';
export { csvTracker } from './trackers/csv-tracker.ts';
export { type FilesTrackerOptions, filesTracker } from './trackers/files-tracker.ts';
export type { Patience } from './trackers/json-http.ts';
export { type MlflowTracker, type MlflowTrackerOptions, mlflowTracker } from './trackers/mlflow-tracker.ts';
export {
  type ResourcesTrackerOptions,
  resourcesTracker,
} from './trackers/resources/resources-tracker.ts';
export {
  type TensorboardTracker,
  type TensorboardTrackerOptions,
  tensorboardTracker,
} from './trackers/tensorboard/tensorboard-tracker.ts';
export type { MetricRecord, Tracker } from './trackers/tracker.ts';
