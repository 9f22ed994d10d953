import {
  type AttemptTarget,
  classed,
  type LateReport,
  type RunError,
  type report as reportSchema,
} from '@trainyard/protocol';
import type { z } from 'zod';
import type { CacheFact, Fact } from '../orchestrator/facts.ts';
import { instantText } from '../store/instant-text.ts';
import { RowColumns } from '../store/row-columns.ts';

export type ParsedReport = z.output<typeof reportSchema>;
export type FinishedReport = Extract<ParsedReport, { kind: 'finished' }>;
type StartedReport = Extract<ParsedReport, { kind: 'started' }>;

/** The columns of an attempt that reports fill; null leaves a column as it is. */
export interface AttemptUpdate {
  readonly id: string;
  status?: string;
  pid?: number | null;
  started_at?: string;
  resumed_at?: string;
  target?: AttemptTarget;
  progress?: Record<string, unknown>;
  exit_code?: number | null;
  signal?: string | null;
  error?: FinishedReport['error'];
  cleanup_error?: string | null;
  undelivered?: Record<string, number> | null;
  released_from?: FinishedReport['checkpoint'] | null;
  failure?: FinishedReport['failure'] | null;
  late_report?: LateReport;
  ended_at?: string;
  /** With these two the row is written only if it has this status and this token (hexadecimal hash). */
  expected_status?: 'leased' | 'running';
  expected_token_hash?: string;
}

/** The rows of updates, as statements take them. */
export const UPDATE_COLUMNS = new RowColumns<AttemptUpdate>({
  id: ['text', (x) => x.id],
  status: ['text', (x) => x.status],
  pid: ['int4', (x) => x.pid],
  started_at: ['timestamptz', (x) => x.started_at],
  resumed_at: ['timestamptz', (x) => x.resumed_at],
  target: ['jsonb', (x) => x.target],
  progress: ['jsonb', (x) => x.progress],
  exit_code: ['int4', (x) => x.exit_code],
  signal: ['text', (x) => x.signal],
  error: ['jsonb', (x) => x.error],
  cleanup_error: ['text', (x) => x.cleanup_error],
  undelivered: ['jsonb', (x) => x.undelivered],
  released_from: ['jsonb', (x) => x.released_from],
  failure: ['jsonb', (x) => x.failure],
  late_report: ['jsonb', (x) => x.late_report],
  ended_at: ['timestamptz', (x) => x.ended_at],
  expected_status: ['text', (x) => x.expected_status],
  expected_token_hash: ['text', (x) => x.expected_token_hash],
});

/**
 * One row per attempt, whatever its reports of a batch are: two updates of one row in one statement would leave
 * it open which of them counts. `first` is the number of the first of the parameters.
 */
export function updateAttemptsSql(first: number): string {
  return `update attempts a
    set status = coalesce(x.status, a.status), pid = coalesce(x.pid, a.pid),
        started_at = coalesce(x.started_at, a.started_at),
        resumed_at = coalesce(x.resumed_at, a.resumed_at), target = coalesce(x.target, a.target),
        progress = coalesce(x.progress, a.progress),
        exit_code = coalesce(x.exit_code, a.exit_code), signal = coalesce(x.signal, a.signal),
        error = coalesce(x.error, a.error), cleanup_error = coalesce(x.cleanup_error, a.cleanup_error),
        undelivered = coalesce(x.undelivered, a.undelivered),
        released_from = coalesce(x.released_from, a.released_from), failure = coalesce(x.failure, a.failure),
        late_report = coalesce(a.late_report, x.late_report),
        ended_at = coalesce(x.ended_at, a.ended_at),
        unreachable_since = case when x.ended_at is null then a.unreachable_since end
    from ${UPDATE_COLUMNS.from(first)}
    where a.id = x.id`;
}

/** Condition for those that are as expected. */
export const AS_EXPECTED = `a.status = x.expected_status and a.token_hash = decode(x.expected_token_hash, 'hex')`;

export function noteStart(update: AttemptUpdate, report: StartedReport): void {
  update.status = 'running';
  update.pid = report.pid ?? null;
  update.started_at = instantText(report.at);
  if (report.target !== undefined) update.target = report.target;
}

export function noteEnd(update: AttemptUpdate, report: FinishedReport): void {
  update.status = report.outcome;
  update.exit_code = report.exitCode;
  update.signal = report.signal;
  update.error = errorOfEnd(report);
  update.cleanup_error = report.cleanupError;
  update.undelivered = Object.keys(report.undeliveredBytes).length === 0 ? null : report.undeliveredBytes;
  update.released_from = report.checkpoint ?? null;
  update.failure = report.failure ?? null;
  update.ended_at = instantText(report.at);
}

/** It changes nothing but to be there for who wants to know. */
export function noteLateEnd(update: AttemptUpdate, { outcome, exitCode, at }: FinishedReport): void {
  update.late_report = { outcome, exitCode, at: instantText(at) };
}

/** The attempt as its tree knows it. */
interface Subject {
  readonly node: number;
  readonly number: number;
}

export function startedFact({ node, number }: Subject, { at }: StartedReport): Fact {
  return { kind: 'started', node, attempt: number, at };
}

export function finishedFact(
  { node, number }: Subject,
  report: FinishedReport,
  cache?: CacheFact,
): Extract<Fact, { kind: 'finished' }> {
  return {
    kind: 'finished',
    node,
    attempt: number,
    at: report.at,
    outcome: report.outcome,
    exitCode: report.exitCode,
    signal: report.signal,
    error: errorOfEnd(report),
    outputs: report.outputs,
    datasets: report.datasets.map(({ name, sha256, role, rows, sizeBytes }) => ({
      name,
      sha256,
      role,
      rows: rows ?? null,
      sizeBytes,
    })),
    ...(report.checkpoints.length === 0 ? {} : { checkpoints: report.checkpoints }),
    ...(report.checkpoint === undefined ? {} : { resumePoint: report.checkpoint }),
    ...(report.failure === undefined ? {} : { failure: report.failure }),
    ...(cache === undefined ? {} : { cache }),
  };
}

/** With its class. What did not end well always has one. */
function errorOfEnd({ outcome, error }: FinishedReport): RunError | null {
  // Without fields that are undefined, as it comes back from the store.
  if (error !== null) return classed(JSON.parse(JSON.stringify(error)) as RunError);
  if (outcome === 'failed') return classed({ code: 'failed', message: 'no reason was given' });
  if (outcome !== 'timed_out') return null;
  return classed({ code: 'timeout', message: 'its executor ended it for running too long' });
}
