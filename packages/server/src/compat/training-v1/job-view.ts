import {
  type JobParamUpdate,
  type JobStatusView,
  type JsonValue,
  SYSTEM_PREFIX,
  TRAINING_API,
} from '@trainyard/protocol';
import { type LatestValue, type Points, readLatest, readPoints, toMetricNumber } from '../../ingest/index.ts';
import type { Database } from '../../store/database.ts';
import { paramUpdatesOf } from '../../store/param-updates.ts';
import { checkpointsOf } from './job-checkpoints.ts';
import { jobProgress, remainingSeconds } from './job-progress.ts';
import type { LocalJob } from './local-jobs.ts';
import { bestLoss, epochAt, epochsWithoutImprovement, lossTrend, perplexityOf } from './loss-history.ts';

/** Steps of a series that are looked at: of longer ones the last. */
const MAX_STEPS_READ = 200_000;
const NO_POINTS: Points = {
  steps: new Float64Array(),
  times: new Float64Array(),
  values: new Float64Array(),
};
/** Older trainers name their loss so. */
const TRAIN_LOSSES = ['train_loss', 'loss', 'total_loss'];

/** Everything that the older API told of a job at once. */
export async function jobStatusOf(database: Database, job: LocalJob, now: Date): Promise<JobStatusView> {
  const latest = await latestOfProgram(database, job.runId);
  const trainKey = TRAIN_LOSSES.find((key) => latest.has(key)) ?? 'train_loss';
  const lossKey = latest.get('eval_loss')?.min == null ? trainKey : 'eval_loss';
  const series = await readHistory(database, job.runId, latest, [lossKey, trainKey, 'epoch']);
  const checkpoints = await checkpointsOf(database.kysely, job);
  const updates = await paramUpdatesOf(database.kysely, job.runId);
  const config = { ...job.attempt?.spec.params, ...acceptedParams(updates) };
  const progress = jobProgress({
    hasCompleted: job.status === 'completed',
    latest,
    statusFile: job.attempt?.progress ?? {},
    config,
  });
  const value = (key: string) => {
    const found = latest.get(key);
    return found === undefined ? null : toMetricNumber(found.value);
  };
  const lastReportAt = lastReport(job, latest);
  const elapsed = elapsedSeconds(job, now);
  return {
    job_id: job.runId,
    run_id: job.rootId,
    name: job.name,
    status: job.status,
    created_at: job.createdAt.toISOString(),
    started_at: job.startedAt?.toISOString() ?? null,
    completed_at: job.endedAt?.toISOString() ?? null,
    progress_percent: progress.percent ?? null,
    current_step: progress.currentStep ?? null,
    total_steps: progress.totalSteps ?? null,
    current_epoch: progress.currentEpoch ?? null,
    total_epochs: progress.totalEpochs ?? null,
    train_loss: value(trainKey),
    eval_loss: value('eval_loss'),
    learning_rate: value('learning_rate'),
    grad_norm: value('grad_norm'),
    train_perplexity: perplexity(latest, 'train_perplexity', trainKey),
    eval_perplexity: perplexity(latest, 'eval_perplexity', 'eval_loss'),
    best: {
      ...bestOf(series.get(lossKey) ?? NO_POINTS, series.get('epoch') ?? NO_POINTS, lossKey),
      checkpoint_path: checkpoints.find((checkpoint) => checkpoint.is_best)?.path ?? null,
    },
    loss_trend: lossTrend(series.get(lossKey) ?? NO_POINTS) ?? null,
    epochs_without_improvement:
      epochsWithoutImprovement(series.get(lossKey) ?? NO_POINTS, series.get('epoch') ?? NO_POINTS) ?? null,
    gpu: {
      memory_allocated_gb: value('gpu_memory_allocated_gb'),
      memory_reserved_gb: value('gpu_memory_reserved_gb'),
      utilization_percent: value('gpu_utilization_percent'),
    },
    throughput: {
      samples_per_second: value('samples_per_second'),
      tokens_per_second: value('tokens_per_second'),
    },
    elapsed_seconds: elapsed,
    remaining_seconds:
      job.status === 'running' && elapsed !== null
        ? (remainingSeconds(elapsed, progress.percent) ?? null)
        : null,
    last_report_at: lastReportAt?.toISOString() ?? null,
    warnings: staleWarnings(job, lastReportAt, now),
    resumed_from: job.resumedFrom,
    resumed_by: await resumedBy(database, job),
    checkpoint_path: job.attempt?.spec.env['TRAINYARD_CHECKPOINT'] ?? null,
    error: job.error?.message ?? null,
    config,
    param_updates: updates,
  };
}

/** The newest value of each param that the program has taken over. */
function acceptedParams(newestFirst: readonly JobParamUpdate[]): Record<string, JsonValue> {
  return Object.assign({}, ...newestFirst.toReversed().map(({ accepted }) => accepted ?? {}));
}

/** Without what the agent records of its machine, whose steps are seconds and which never falls silent. */
async function latestOfProgram(database: Database, runId: string): Promise<Map<string, LatestValue>> {
  const values = await readLatest(database, [runId]);
  return new Map(
    values.filter(({ key }) => !key.startsWith(SYSTEM_PREFIX)).map((value) => [value.key, value]),
  );
}

function readHistory(
  database: Database,
  runId: string,
  latest: ReadonlyMap<string, LatestValue>,
  keys: readonly string[],
): Promise<Map<string, Points>> {
  const newest = Math.max(0, ...keys.map((key) => latest.get(key)?.step ?? 0));
  return readPoints(database, runId, { keys, firstStep: Math.max(0, newest - MAX_STEPS_READ) });
}

function bestOf(losses: Points, epochs: Points, metric: string) {
  const best = bestLoss(losses);
  if (best === undefined) return { metric: null, loss: null, step: null, epoch: null };
  return { metric, ...best, epoch: epochAt(epochs, best.step) ?? null };
}

function perplexity(latest: ReadonlyMap<string, LatestValue>, own: string, loss: string): number | null {
  const reported = latest.get(own)?.value;
  if (reported !== undefined) return Number.isFinite(reported) ? reported : null;
  return perplexityOf(latest.get(loss)?.value) ?? null;
}

function elapsedSeconds({ startedAt, endedAt }: LocalJob, now: Date): number | null {
  if (startedAt === null) return null;
  return Math.max(0, Math.round(((endedAt ?? now).getTime() - startedAt.getTime()) / 1000));
}

function lastReport({ startedAt }: LocalJob, latest: ReadonlyMap<string, LatestValue>): Date | null {
  const times = [...latest.values()].map(({ time }) => time);
  if (times.length === 0) return startedAt;
  return new Date(Math.max(startedAt?.getTime() ?? 0, ...times));
}

function staleWarnings(job: LocalJob, lastReportAt: Date | null, now: Date): JobStatusView['warnings'] {
  if (job.status !== 'running' || lastReportAt === null) return [];
  const silentMs = now.getTime() - lastReportAt.getTime();
  if (silentMs <= TRAINING_API.staleAfterMs) return [];
  const message = `No metrics for ${Math.round(silentMs / 1000)} s; a job that has reported nothing for ${TRAINING_API.staleAfterMs / 1000} s may be stuck.`;
  return [{ code: 'stale', message }];
}

/** Jobs that go on where this one ended. */
async function resumedBy({ kysely }: Database, job: LocalJob): Promise<string[]> {
  const rows = await kysely
    .selectFrom('resumed_jobs')
    .innerJoin('runs', 'runs.root_id', 'resumed_jobs.root_id')
    .select('runs.id')
    .where('resumed_jobs.from_run', '=', job.runId)
    .where('runs.kind', '=', 'job')
    .orderBy('runs.id')
    .limit(100)
    .execute();
  return rows.map(({ id }) => id);
}
