import {
  type AttemptCache,
  type AttemptStatus,
  isHeldAttemptStatus,
  type ParamAnswer,
  type ReportResult,
  type RunError,
} from '@trainyard/protocol';
import type { Pool, PoolClient } from 'pg';
import { isTokenOf } from '../auth/secret-token.ts';
import type { Fact } from '../orchestrator/facts.ts';
import type { Announced } from '../store/attempts-schema.ts';
import { instantText } from '../store/instant-text.ts';
import { jsonbText } from '../store/jsonb-text.ts';
import { type Anomaly, anomalyOf, writeAnomalies } from '../store/metric-anomalies.ts';
import { writeCheckpoints } from '../store/model-checkpoints.ts';
import { answerParamUpdates } from '../store/param-updates.ts';
import { inTransaction } from '../store/transaction.ts';
import {
  type AttemptUpdate,
  type FinishedReport,
  finishedFact,
  noteEnd,
  noteLateEnd,
  noteStart,
  type ParsedReport,
  startedFact,
  UPDATE_COLUMNS,
  updateAttemptsSql,
} from './attempt-update.ts';
import { type HitRuns, judgeCache, readHits } from './reported-cache.ts';
import { ENDED_EARLY } from './stop-attempt.ts';
import { writeDatasets } from './write-datasets.ts';

interface AttemptRow {
  id: string;
  run_id: string;
  root_id: string;
  node_index: number;
  number: number;
  epoch: number;
  status: AttemptStatus;
  token_hash: Buffer | null;
  training_job_id: string | null;
  /** Why the server asked for its end. */
  stop_error: RunError | null;
  /** What its program has said of its end. */
  announced: Announced | null;
  /** It takes part in pools or a group. */
  is_limited: boolean;
  /** What it was told of the cache of its stage. */
  cache: AttemptCache | null;
}

export interface TakenReports {
  /** One per report, in their order. */
  readonly results: ReportResult[];
  /** Attempts ended that held slots of pools or a place in a group. */
  readonly hasReleased: boolean;
}

/**
 * Takes a batch of reports in one transaction and answers one result each. Each report is
 * authorised by the token of its own attempt. Repeats are answered ok and change nothing; reports of an
 * attempt that is over otherwise are fenced.
 */
export async function takeReports(pool: Pool, reports: readonly ParsedReport[]): Promise<TakenReports> {
  return inTransaction(pool, 'read committed', async (client) => {
    const rows = await lockAttempts(client, reports);
    const writes = new ReportWrites(await readHits(client, reports));
    const results = reports.map((report) => judge(report, rows.get(report.attemptId), writes));
    await writes.flush(client);
    return { results, hasReleased: writes.hasReleased };
  });
}

async function lockAttempts(
  client: PoolClient,
  reports: readonly ParsedReport[],
): Promise<Map<string, AttemptRow>> {
  const ids = [...new Set(reports.map((report) => report.attemptId))];
  // One fixed order, so that two batches with the same attempts cannot wait for each other.
  const { rows } = await client.query<AttemptRow>({
    name: 'attempts-lock',
    text: `select id, run_id, root_id, node_index, number, epoch, status, token_hash, training_job_id, stop_error, announced,
        limits is not null as is_limited, spec -> 'cache' as cache
      from attempts
      where id = any($1::text[]) order by id for update`,
    values: [ids],
  });
  return new Map(rows.map((row) => [row.id, row]));
}

function judge(reported: ParsedReport, row: AttemptRow | undefined, writes: ReportWrites): ReportResult {
  const { attemptId } = reported;
  if (row === undefined) return refused(attemptId, 'NOT_FOUND', `There is no attempt ${attemptId}.`);
  if (!isTokenOf(reported.token, row.token_hash)) {
    return refused(attemptId, 'UNAUTHENTICATED', `The token does not belong to attempt ${attemptId}.`);
  }
  const report = asAnnounced(asStopped(reported, row), row);
  const isActive = isHeldAttemptStatus(row.status);
  if (report.epoch !== row.epoch) return fenced(row);
  if (!isActive && row.status === 'lost' && report.kind === 'finished') writes.late(row, report);
  if (!isActive)
    return report.kind !== 'finished' || report.outcome === row.status ? settled(row) : fenced(row);
  if (report.kind === 'progress') {
    writes.progress(row, report.progress);
  } else if (report.kind === 'params') {
    writes.answer(row, report.answer);
  } else if (report.kind === 'started') {
    if (row.status === 'leased') writes.start(row, report);
  } else if (report.kind === 'paused' || report.kind === 'resumed') {
    if (row.status !== 'leased') writes.halt(row, report);
  } else {
    writes.finish(row, report);
  }
  return { attemptId, ok: true };
}

/** An end that the server has asked for because something was wrong is a failure or a time-out, and no cancel. */
function asStopped(report: ParsedReport, { stop_error }: AttemptRow): ParsedReport {
  if (stop_error === null || report.kind !== 'finished' || report.outcome !== 'cancelled') return report;
  if (stop_error.code === ENDED_EARLY) return { ...report, outcome: 'stopped', error: null };
  return { ...report, outcome: stop_error.class === 'timeout' ? 'timed_out' : 'failed', error: stop_error };
}

/**
 * A program that has said that it failed has failed, whatever its exit code; the code alone is a poorer reason
 * than the one that it gave. What else ended it, a signal or a time-out, stays what it is.
 */
function asAnnounced(report: ParsedReport, { announced }: AttemptRow): ParsedReport {
  if (announced?.status !== 'failed' || report.kind !== 'finished') return report;
  const isPlainExit = report.outcome === 'failed' && report.error?.code === 'exit_code';
  if (report.outcome !== 'completed' && !isPlainExit) return report;
  const message = announced.error || 'the program gave no reason';
  return { ...report, outcome: 'failed', error: { code: 'reported_failure', message }, outputs: null };
}

/** A late repeat of what is known is fine; anything else about an attempt that is over is fenced. */
function settled(row: AttemptRow): ReportResult {
  return row.status === 'lost' ? fenced(row) : { attemptId: row.id, ok: true };
}

function fenced(row: AttemptRow): ReportResult {
  return refused(
    row.id,
    'ATTEMPT_FENCED',
    `Attempt ${row.id} is ${row.status} (epoch ${row.epoch}); end its process.`,
  );
}

function refused(attemptId: string, code: string, message: string): ReportResult {
  return { attemptId, ok: false, code, message };
}

const WRITE_SQL = `
  with updated as (
    ${updateAttemptsSql(2)}
  )
  insert into tree_inbox (root_id, event)
  select x.fact ->> 'root_id', x.fact -> 'event'
  from jsonb_array_elements($1::jsonb) with ordinality as x(fact, position)
  order by x.position`;

/** Gathers what a batch of reports changes, so that it is written at once. */
class ReportWrites {
  readonly #hits: HitRuns;
  readonly #updates = new Map<string, AttemptUpdate>();
  readonly #finished: { row: AttemptRow; report: FinishedReport }[] = [];
  readonly #anomalies: (Anomaly & { runId: string })[] = [];
  readonly #answers: Parameters<typeof answerParamUpdates>[1][number][] = [];
  readonly #facts: { root_id: string; event: Fact }[] = [];

  constructor(hits: HitRuns) {
    this.#hits = hits;
  }

  get hasReleased(): boolean {
    return this.#finished.some(({ row }) => row.is_limited);
  }

  progress(row: AttemptRow, progress: Record<string, unknown>): void {
    this.#updateOf(row).progress = progress;
    const anomaly = anomalyOf(progress);
    if (anomaly !== undefined) this.#anomalies.push({ ...anomaly, runId: row.run_id });
  }

  answer(row: AttemptRow, answer: ParamAnswer): void {
    this.#answers.push({ attemptId: row.id, runId: row.run_id, number: row.number, answer });
  }

  start(row: AttemptRow, report: Extract<ParsedReport, { kind: 'started' }>): void {
    row.status = 'running';
    noteStart(this.#updateOf(row), report);
    this.#facts.push({ root_id: row.root_id, event: startedFact(subjectOf(row), report) });
  }

  /** Repeats change nothing; the tree passes over what it knows. */
  halt(row: AttemptRow, report: Extract<ParsedReport, { kind: 'paused' | 'resumed' }>): void {
    const status = report.kind === 'paused' ? 'paused' : 'running';
    row.status = status;
    const update = this.#updateOf(row);
    update.status = status;
    // By the clock of the server, like the times of its metrics.
    if (status === 'running') update.resumed_at = instantText(Date.now());
    const about = { node: row.node_index, attempt: row.number, at: report.at };
    const event: Fact =
      report.kind === 'resumed'
        ? { kind: 'resumed', ...about }
        : { kind: 'paused', ...about, mode: report.mode, note: report.note ?? null };
    this.#facts.push({ root_id: row.root_id, event });
  }

  late(row: AttemptRow, report: FinishedReport): void {
    noteLateEnd(this.#updateOf(row), report);
  }

  finish(row: AttemptRow, reported: FinishedReport): void {
    const { fact: cache, error } = judgeCache(reported, row.cache, this.#hits);
    const report: FinishedReport = error === undefined ? reported : { ...reported, outcome: 'failed', error };
    row.status = report.outcome;
    noteEnd(this.#updateOf(row), report);
    this.#finished.push({ row, report });
    const fact = finishedFact(subjectOf(row), report, cache);
    const reason = report.outcome === 'stopped' ? row.stop_error?.message : undefined;
    this.#facts.push({ root_id: row.root_id, event: reason === undefined ? fact : { ...fact, reason } });
  }

  async flush(client: PoolClient): Promise<void> {
    await answerParamUpdates(client, this.#answers);
    if (this.#updates.size === 0) return;
    await client.query({
      name: 'attempts-report',
      text: WRITE_SQL,
      values: [jsonbText(this.#facts), ...UPDATE_COLUMNS.values([...this.#updates.values()])],
    });
    await writeAnomalies(client, this.#anomalies);
    await writeDatasets(
      client,
      this.#finished.map(({ row, report: { datasets } }) => ({
        attemptId: row.id,
        runId: row.run_id,
        rootId: row.root_id,
        datasets,
      })),
    );
    await writeCheckpoints(
      client,
      this.#finished.map(({ row, report: { checkpoints } }) => ({
        jobId: row.training_job_id,
        runId: row.run_id,
        rootId: row.root_id,
        checkpoints,
      })),
    );
  }

  #updateOf(row: AttemptRow): AttemptUpdate {
    const known = this.#updates.get(row.id);
    if (known !== undefined) return known;
    const update: AttemptUpdate = { id: row.id };
    this.#updates.set(row.id, update);
    return update;
  }
}

function subjectOf({ node_index: node, number }: AttemptRow) {
  return { node, number };
}
