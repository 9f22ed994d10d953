import { z } from 'zod';
import type { Run } from '../api.ts';
import { type StageDefinition, stageKind } from '../definition/index.ts';
import type { RunStatus } from '../run-status.ts';

/** What the older pipeline API answered of pipelines and their stages. */

export const olderPipelineStatus = z.enum(['pending', 'running', 'completed', 'failed', 'cancelled']);
export type OlderPipelineStatus = z.infer<typeof olderPipelineStatus>;
export const olderStageStatus = z.enum(['pending', 'running', 'completed', 'failed', 'skipped']);

const instant = z.iso.datetime().nullable();

export const olderPipeline = z.object({
  uuid: z.string(),
  name: z.string(),
  status: olderPipelineStatus,
  /** The run, once it was started. */
  root_task_id: z.string().nullable(),
  description: z.string().nullable(),
  /** 1 to 10. */
  priority: z.int(),
  results: z.unknown(),
  error_message: z.string().nullable(),
  created_at: z.iso.datetime(),
  started_at: instant,
  completed_at: instant,
});

export const olderPipelineStage = z.object({
  task_id: z.string(),
  pipeline_run_id: z.string(),
  /** Of the pipeline that was made by these routes; null for other runs. */
  pipeline_uuid: z.string().nullable(),
  /** Its newest attempt, once there is one. */
  worker_task_id: z.string().nullable(),
  task_name: z.string(),
  /** As they were sent; of other runs what the definition says of the stage. */
  task_params: z.unknown(),
  max_retries: z.int(),
  /** Seconds. */
  retry_delay: z.number(),
  stage_name: z.string(),
  stage_order: z.int(),
  depends_on: z.array(z.string()),
  status: olderStageStatus,
  result: z.unknown(),
  error_message: z.string().nullable(),
  retry_count: z.int(),
  started_at: instant,
  completed_at: instant,
});
export type OlderPipelineStage = z.infer<typeof olderPipelineStage>;

/** Of a pipeline that was not started: there is no task yet. */
export const olderStageToCome = olderPipelineStage.extend({ task_id: z.null(), pipeline_run_id: z.null() });

const PIPELINE_WORDS: Readonly<Record<RunStatus, OlderPipelineStatus>> = {
  pending: 'pending',
  queued: 'running',
  starting: 'running',
  running: 'running',
  paused: 'running',
  waiting: 'running',
  cancelling: 'running',
  completed: 'completed',
  stopped: 'completed',
  failed: 'failed',
  timed_out: 'failed',
  cancelled: 'cancelled',
  skipped: 'cancelled',
};

/** Of a pipeline that was started: it runs until it has ended. */
export function toOlderPipelineStatus(status: RunStatus): OlderPipelineStatus {
  return PIPELINE_WORDS[status];
}

/** Words of a stage that ours are read from; `skipped` is also what a cancel makes of one. */
const STAGE_WORDS: Readonly<Record<RunStatus, OlderPipelineStage['status']>> = {
  pending: 'pending',
  queued: 'pending',
  waiting: 'pending',
  starting: 'running',
  running: 'running',
  paused: 'running',
  cancelling: 'running',
  completed: 'completed',
  stopped: 'completed',
  failed: 'failed',
  timed_out: 'failed',
  cancelled: 'skipped',
  skipped: 'skipped',
};

/** What an older answer tells of a run beside its row. */
export interface RunDetails {
  readonly attemptId: string | null;
  /** Of its newest attempt. */
  readonly exitCode: number | null;
  readonly pipelineUuid: string | null;
  readonly stage: StageDefinition | undefined;
  /** The stage of the older stage list as it was sent. */
  readonly written: Readonly<Record<string, unknown>> | undefined;
}

export function toOlderPipelineStage(run: Run, details: RunDetails): OlderPipelineStage {
  return {
    task_id: run.id,
    pipeline_run_id: run.rootId,
    pipeline_uuid: details.pipelineUuid,
    worker_task_id: details.attemptId,
    ...olderTask(details),
    stage_name: run.path,
    stage_order: run.index,
    depends_on: run.dependsOn,
    status: STAGE_WORDS[run.status],
    result: run.outputs,
    error_message: run.error?.message ?? null,
    retry_count: Math.max(0, run.attempt - 1),
    started_at: run.startedAt,
    completed_at: run.endedAt,
  };
}

/** Task, params and retries of a stage. */
export function olderTask({
  stage,
  written,
}: Pick<RunDetails, 'stage' | 'written'>): Pick<
  OlderPipelineStage,
  'task_name' | 'task_params' | 'max_retries' | 'retry_delay'
> {
  const kind = stage === undefined ? 'job' : stageKind(stage);
  return {
    task_name: typeof written?.['task'] === 'string' ? written['task'] : kind,
    task_params: written === undefined ? (stage?.[kind] ?? {}) : (written['params'] ?? {}),
    max_retries: (stage?.retry?.attempts ?? 1) - 1,
    retry_delay: (stage?.retry?.backoff ?? 0) / 1000,
  };
}

/** The older word of a stage for a status of ours. */
export function toOlderStageStatus(status: RunStatus): OlderPipelineStage['status'] {
  return STAGE_WORDS[status];
}

/** Our statuses that an older word of a stage stands for. */
export function statusesOfOlderStage(word: OlderPipelineStage['status']): RunStatus[] {
  return (Object.keys(STAGE_WORDS) as RunStatus[]).filter((status) => STAGE_WORDS[status] === word);
}
