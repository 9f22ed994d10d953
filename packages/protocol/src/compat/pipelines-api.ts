import { z } from 'zod';
import type { Run } from '../api.ts';
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
  results: z.unknown(),
  error_message: z.string().nullable(),
  created_at: z.iso.datetime(),
  started_at: instant,
  completed_at: instant,
});

export const olderPipelineStage = z.object({
  task_id: z.string(),
  pipeline_run_id: z.string(),
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

export function toOlderPipelineStage(run: Run): OlderPipelineStage {
  return {
    task_id: run.id,
    pipeline_run_id: run.rootId,
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

/** Our statuses that an older word of a stage stands for. */
export function statusesOfOlderStage(word: OlderPipelineStage['status']): RunStatus[] {
  return (Object.keys(STAGE_WORDS) as RunStatus[]).filter((status) => STAGE_WORDS[status] === word);
}
