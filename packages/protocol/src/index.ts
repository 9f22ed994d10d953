export * from './agent-api.ts';
export * from './api.ts';
export * from './approvals-api.ts';
export * from './attempt-failure.ts';
export * from './attempt-files.ts';
export * from './attempt-status.ts';
export * from './automation.ts';
export * from './backfills.ts';
export * from './cache-api.ts';
export * from './checkpoint-ranking.ts';
export * from './checkpoint-retention.ts';
export * from './compat/dag-api.ts';
export * from './compat/monitoring-api.ts';
export type {
  DocumentPath,
  OlderFormFault,
  OlderFormMapping,
  PipelineDefinitionInput,
} from './compat/older-form.ts';
export * from './compat/pipelines-api.ts';
export { fromStageList } from './compat/stage-list.ts';
export { fromTaskGraph } from './compat/task-graph.ts';
export * from './compat/training-api.ts';
export * from './compat/training-control.ts';
export * from './compat/training-pull.ts';
export * from './compat/training-worker.ts';
export { fromWfFormat, type WfFormatJobs, type WfFormatOptions, wfFormatJobs } from './compat/wfformat.ts';
export * from './datasets-api.ts';
export * from './definition/index.ts';
export * from './duration.ts';
export * from './errors.ts';
export * from './events.ts';
export * from './exit-code.ts';
export * from './failure-class.ts';
export * from './findings-api.ts';
export * from './ids.ts';
export { type LinearRegex, linearRegex } from './linear-regex.ts';
export * from './live.ts';
export * from './metric-line.ts';
export * from './model-checkpoints.ts';
export * from './pause.ts';
export * from './pipelines-api.ts';
export * from './pools-api.ts';
export * from './reruns-api.ts';
export * from './run-plan.ts';
export * from './run-status.ts';
export * from './schedules.ts';
export * from './secrets.ts';
export { slurmWord } from './slurm-request.ts';
export type { StageFunctionContext } from './stage-function-context.ts';
export * from './system-prefix.ts';
export * from './telemetry.ts';
export * from './training-job-runs.ts';
export * from './training-jobs.ts';
export * from './triggers.ts';
export * from './version.ts';
export * from './webhooks.ts';
