import { z } from 'zod';
import type { AttemptStatus } from '../attempt-status.ts';
import type { RunStatus } from '../run-status.ts';

/** The older training API: what a trainer reports of its job with the job's token, and what is answered. */

/** Numbers of the older training API. */
export const TRAINING_API = {
  /** Lines of a log that can be read; older ones are stored, but out of view. */
  viewLines: 10_000,
  linesPerRequest: 10_000,
  metricsPerRequest: 1000,
  metricsRead: 1000,
  maxMetricsRead: 5000,
  /** Of a request that sends or reads them. As many as log lines stay in view. */
  predictionsPerRequest: 1000,
  /** A stream of predictions with nothing to say says so, that nobody in between hangs up. */
  streamPingMs: 15_000,
  /** A running job that has reported nothing for so long is told to be stale. */
  staleAfterMs: 300_000,
  /** For so long after its end a job's token still takes log lines; then it is worth nothing. */
  flushWindowMs: 120_000,
} as const;

export const olderJobStatus = z.enum(['pending', 'running', 'paused', 'completed', 'failed', 'cancelled']);
export type OlderJobStatus = z.infer<typeof olderJobStatus>;

const OLDER_STATUS: Readonly<Record<RunStatus, OlderJobStatus>> = {
  pending: 'pending',
  queued: 'pending',
  waiting: 'pending',
  starting: 'running',
  running: 'running',
  cancelling: 'running',
  paused: 'paused',
  completed: 'completed',
  stopped: 'completed',
  failed: 'failed',
  timed_out: 'failed',
  cancelled: 'cancelled',
  skipped: 'cancelled',
};

/**
 * A job's status in the older words. The row of a run follows that of its attempt by a moment, so what the
 * attempt says counts while the run has not ended.
 */
export function toOlderJobStatus(run: RunStatus, attempt: AttemptStatus | undefined): OlderJobStatus {
  const own = OLDER_STATUS[run];
  const hasEnded = own === 'completed' || own === 'failed' || own === 'cancelled';
  if (hasEnded || attempt === undefined || attempt === 'queued') return own;
  // It waits for its next try: the end of the one before is not that of the job.
  return run === 'waiting' ? own : ofAttempt(attempt);
}

function ofAttempt(status: Exclude<AttemptStatus, 'queued'>): OlderJobStatus {
  if (status === 'leased') return 'running';
  // Lost: the job is handed out again, unless that has been tried too often, which its run then says.
  if (status === 'lost') return 'pending';
  // It gave its slot back for a pause.
  return status === 'released' ? 'paused' : OLDER_STATUS[status];
}

export const jobStatusReport = z.object({
  status: z.enum(['running', 'completed', 'failed', 'cancelled', 'paused']),
  error: z.string().max(100_000).nullish(),
});
export const jobStatusReported = z.object({
  success: z.literal(true),
  status: olderJobStatus,
  updated_at: z.iso.datetime(),
});

export const jobLogs = z.object({
  logs: z.array(z.string()).max(TRAINING_API.linesPerRequest),
  /** How many lines the sender has sent before these: then each is stored once, however often it is sent. */
  sequence: z.int().min(0).optional(),
});
export const jobLogsTaken = z.object({
  success: z.literal(true),
  logs_appended: z.int(),
  total_logs: z.int(),
});

const nonNegative = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
export const jobLogsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(TRAINING_API.viewLines).default(100),
  offset: nonNegative.default(0),
});
export const jobLogsPage = z.object({
  logs: z.array(z.string()),
  /** Lines that the job has ever written: an offset stays what it is when old lines leave the view. */
  total_lines: z.int(),
  /** Of the first line that is answered. */
  offset: z.int(),
  limit: z.int(),
  /** Of the oldest line that can be read. */
  first_offset: z.int(),
});

/** Of a stream of lines or predictions. Left out: from the next one on. */
export const jobStreamQuery = z.object({ offset: nonNegative.optional() });

/** A point; every other number that it has is a metric, too. */
export const jobMetric = z.looseObject({
  step: z.int().min(0),
  epoch: z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]),
  /** Epoch seconds, epoch milliseconds or ISO 8601; without a zone it is UTC. */
  timestamp: z.union([z.number(), z.string().max(100)]).nullish(),
});
export type JobMetric = z.infer<typeof jobMetric>;

const metricsBatch = z.array(jobMetric).max(TRAINING_API.metricsPerRequest);
export const jobMetricReport = jobMetric.extend({ sequence: z.int().min(0).optional() });
export const jobMetricsReport = z.object({
  job_id: z.string().max(200),
  metrics: metricsBatch,
  sequence: z.int().min(0).optional(),
});
export const jobMetricsTaken = z.object({
  success: z.literal(true),
  metrics_appended: z.int(),
  total_metrics: z.int(),
});

export const jobMetricsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(TRAINING_API.maxMetricsRead).default(TRAINING_API.metricsRead),
  start_step: nonNegative.optional(),
  end_step: nonNegative.optional(),
});
export const jobMetricsPage = z.object({
  job_id: z.string(),
  metrics: z.array(
    z.looseObject({
      step: z.int(),
      timestamp: z.iso.datetime(),
      /** Names of the values of this point that are no finite numbers. */
      non_finite: z.array(z.string()),
    }),
  ),
  /** Where to go on; null when that was all. */
  next_step: z.int().nullable(),
});

/** The line of a metrics file that says the same as a point. */
export function toMetricLine({
  timestamp,
  sequence: _,
  ...values
}: JobMetric & { sequence?: unknown }): string {
  const seconds = readTimestamp(timestamp);
  const numbers = Object.entries(values).map(([key, value]) => [key, writable(value)]);
  return JSON.stringify({
    ...Object.fromEntries(numbers),
    ...(seconds === undefined ? {} : { timestamp: seconds }),
  });
}

/** As JSON cannot say it: by name. */
function writable(value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

/** Later than the year 5000 in seconds, so it must be milliseconds. */
const MILLISECONDS_FROM = 1e11;

function readTimestamp(given: JobMetric['timestamp']): number | undefined {
  if (typeof given === 'number') return given > MILLISECONDS_FROM ? given / 1000 : given;
  if (typeof given !== 'string') return undefined;
  const ms = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(given) ? given : `${given}Z`);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}
