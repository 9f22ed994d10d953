import type { ReportResult, report as reportSchema } from '@trainyard/protocol';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { z } from 'zod';
import { hashToken } from '../auth/secret-token.ts';
import type { Fact } from '../orchestrator/facts.ts';
import type { Schema } from '../store/schema.ts';
import { insertFacts } from './claim.ts';

export type ParsedReport = z.output<typeof reportSchema>;
type Finished = Extract<ParsedReport, { kind: 'finished' }>;

interface AttemptRow {
  id: string;
  run_id: string;
  root_id: string;
  node_index: number;
  number: number;
  epoch: number;
  status: string;
  token_hash: Buffer | null;
}

/**
 * Takes a batch of reports in one transaction and answers one result each, in order. Each report is
 * authorised by the token of its own attempt. Repeats are answered ok and change nothing; reports of an
 * attempt that is over otherwise are fenced.
 */
export async function takeReports(
  db: Kysely<Schema>,
  reports: readonly ParsedReport[],
): Promise<ReportResult[]> {
  return db.transaction().execute(async (trx) => {
    const rows = await lockAttempts(trx, reports);
    const writes = new ReportWrites();
    const results = reports.map((report) => judge(report, rows.get(report.attemptId), writes));
    await writes.flush(trx);
    return results;
  });
}

async function lockAttempts(
  trx: Transaction<Schema>,
  reports: readonly ParsedReport[],
): Promise<Map<string, AttemptRow>> {
  const ids = [...new Set(reports.map((report) => report.attemptId))];
  // One fixed order, so that two batches with the same attempts cannot wait for each other.
  const { rows } = await sql<AttemptRow>`
    select id, run_id, root_id, node_index, number, epoch, status, token_hash from attempts
    where id = any(${ids}::text[]) order by id for update`.execute(trx);
  return new Map(rows.map((row) => [row.id, row]));
}

function judge(report: ParsedReport, row: AttemptRow | undefined, writes: ReportWrites): ReportResult {
  const { attemptId } = report;
  if (row === undefined) return refused(attemptId, 'NOT_FOUND', `There is no attempt ${attemptId}.`);
  if (row.token_hash === null || !hashToken(report.token).equals(row.token_hash)) {
    return refused(attemptId, 'UNAUTHENTICATED', `The token does not belong to attempt ${attemptId}.`);
  }
  const isActive = row.status === 'leased' || row.status === 'running' || row.status === 'paused';
  if (report.epoch !== row.epoch) return fenced(row);
  if (!isActive)
    return report.kind !== 'finished' || report.outcome === row.status ? settled(row) : fenced(row);
  if (report.kind === 'progress') {
    writes.progress.push({ id: row.id, progress: report.progress });
  } else if (report.kind === 'started') {
    if (row.status === 'leased') writes.start(row, report);
  } else {
    writes.finish(row, report);
  }
  return { attemptId, ok: true };
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

/** Gathers what a batch of reports changes; each kind of row is then written by one statement. */
class ReportWrites {
  readonly progress: { id: string; progress: Record<string, unknown> }[] = [];
  readonly #started: { id: string; pid: number | null; at: string }[] = [];
  readonly #finished: { row: AttemptRow; report: Finished }[] = [];
  readonly #facts: { root_id: string; event: Fact }[] = [];

  start(row: AttemptRow, report: Extract<ParsedReport, { kind: 'started' }>): void {
    row.status = 'running';
    this.#started.push({ id: row.id, pid: report.pid ?? null, at: instant(report.at) });
    this.#facts.push({
      root_id: row.root_id,
      event: { kind: 'started', node: row.node_index, attempt: row.number, at: report.at },
    });
  }

  finish(row: AttemptRow, report: Finished): void {
    row.status = report.outcome;
    this.#finished.push({ row, report });
    this.#facts.push({
      root_id: row.root_id,
      event: {
        kind: 'finished',
        node: row.node_index,
        attempt: row.number,
        at: report.at,
        outcome: report.outcome,
        exitCode: report.exitCode,
        signal: report.signal,
        error: report.error === null ? null : withoutUndefined(report.error),
        outputs: report.outputs,
        datasets: report.datasets.map(({ name, sha256, role, rows, sizeBytes }) => ({
          name,
          sha256,
          role,
          rows: rows ?? null,
          sizeBytes,
        })),
      },
    });
  }

  async flush(trx: Transaction<Schema>): Promise<void> {
    await this.#writeProgress(trx);
    await this.#writeStarted(trx);
    await this.#writeFinished(trx);
    await this.#writeDatasets(trx);
    await insertFacts(trx, this.#facts);
  }

  async #writeProgress(trx: Transaction<Schema>): Promise<void> {
    // Of several in a batch the last one counts.
    const rows = [...new Map(this.progress.map((entry) => [entry.id, entry])).values()];
    if (rows.length === 0) return;
    await sql`
      update attempts a set progress = x.progress
      from json_to_recordset(${JSON.stringify(rows)}::json) as x(id text, progress jsonb)
      where a.id = x.id`.execute(trx);
  }

  async #writeStarted(trx: Transaction<Schema>): Promise<void> {
    if (this.#started.length === 0) return;
    await sql`
      update attempts a set status = 'running', started_at = x.at, pid = x.pid
      from json_to_recordset(${JSON.stringify(this.#started)}::json) as x(id text, pid int, at timestamptz)
      where a.id = x.id`.execute(trx);
  }

  async #writeFinished(trx: Transaction<Schema>): Promise<void> {
    if (this.#finished.length === 0) return;
    const rows = this.#finished.map(({ row, report }) => ({
      id: row.id,
      status: report.outcome,
      exit_code: report.exitCode,
      signal: report.signal,
      error: report.error,
      cleanup_error: report.cleanupError,
      undelivered: Object.keys(report.undeliveredBytes).length === 0 ? null : report.undeliveredBytes,
      at: instant(report.at),
    }));
    await sql`
      update attempts a
      set status = x.status, exit_code = x.exit_code, signal = x.signal, error = x.error,
          cleanup_error = x.cleanup_error, undelivered = x.undelivered, ended_at = x.at, unreachable_since = null
      from json_to_recordset(${JSON.stringify(rows)}::json)
        as x(id text, status text, exit_code int, signal text, error jsonb, cleanup_error text,
             undelivered jsonb, at timestamptz)
      where a.id = x.id`.execute(trx);
  }

  async #writeDatasets(trx: Transaction<Schema>): Promise<void> {
    const rows = this.#finished.flatMap(({ row, report }) =>
      report.datasets.map((dataset) => ({ ...dataset, run_id: row.run_id, root_id: row.root_id })),
    );
    if (rows.length === 0) return;
    const json = JSON.stringify(rows);
    await sql`
      insert into dataset_versions (name, sha256, size_bytes, rows, path)
      select distinct on (name, sha256) name, sha256, "sizeBytes", rows, path
      from json_to_recordset(${json}::json)
        as x(name text, sha256 text, "sizeBytes" bigint, rows bigint, path text)
      order by name, sha256
      on conflict (name, sha256) do update set rows = coalesce(dataset_versions.rows, excluded.rows)`.execute(
      trx,
    );
    await sql`
      insert into run_datasets (run_id, root_id, name, sha256, role)
      select distinct run_id, root_id, name, sha256, role
      from json_to_recordset(${json}::json) as x(run_id text, root_id text, name text, sha256 text, role text)
      on conflict do nothing`.execute(trx);
  }
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}

function withoutUndefined(error: { code: string; message: string; path?: string | undefined }) {
  const { code, message, path } = error;
  return path === undefined ? { code, message } : { code, message, path };
}
