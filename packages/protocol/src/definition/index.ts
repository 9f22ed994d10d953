export type { ApprovalDefinition, FormField } from './approval.ts';
export { cachePatterns, placedPattern, type StageCache, stageCache } from './cache.ts';
export {
  type CleanupCheckpointsDefinition,
  type ResolvedCleanup,
  resolvedCleanup,
} from './cleanup-checkpoints.ts';
export type { ConcurrencyDefinition, OnConflict, PoolUse } from './concurrency.ts';
export {
  DIAGNOSIS_RULE_NAMES,
  type Diagnosis,
  type DiagnosisPlan,
  type DiagnosisRule,
  diagnosisPlan,
  FINDING_ACTIONS,
  FINDING_SEVERITIES,
  type FindingAction,
  type FindingSeverity,
  type RuleParameters,
  storedDiagnosisPlan,
} from './diagnosis.ts';
export type { EarlyStoppingDefinition, SelectBestDefinition } from './early-stopping.ts';
export { type ExecutorDefinition, type ExecutorPlace, executorPlace, executorQueue } from './executor.ts';
export { DEFAULT_FAILURE_PATTERNS, type FailurePattern } from './failure-patterns.ts';
export { type ForeachDefinition, itemNames } from './foreach.ts';
export { dependencyNames, HOOKS, type Hook, lastStages } from './hooks.ts';
export type { HttpDefinition } from './http.ts';
export type { JobDefinition } from './job.ts';
export { DEFINITION_LIMITS } from './limits.ts';
export type { ParamSpec } from './param-spec.ts';
export {
  type DefinitionFault,
  definitionFault,
  type PipelineBody,
  type PipelineDefinition,
  pipelineDefinition,
  type StageDefinition,
  TRIGGER_RULES,
} from './pipeline-definition.ts';
export {
  type PreprocessConfig,
  type PreprocessDatasetDefinition,
  preprocessConfig,
} from './preprocess-dataset.ts';
export type { FunctionDefinition } from './stage-function.ts';
export { defaultPriority, STAGE_KINDS, type StageKind, stageKind, stagePriority } from './stage-kinds.ts';
export { NOT_OF_TRIALS, type SweepDefinition, type SweepRange, sweep } from './sweep.ts';
export {
  type RunEvaluationDefinition,
  type TrainModelDefinition,
  trainingExecutor,
} from './training-stages.ts';
export type { UsedBody } from './used-body.ts';
export { type JsonValue, jsonValue } from './values.ts';
