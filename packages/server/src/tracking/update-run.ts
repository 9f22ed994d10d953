import { isTerminalRunStatus, type Run, type RunEvent, type RunStatus } from '@trainyard/protocol';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { LiveBus } from '../live/live-bus.ts';
import { jsonbText } from '../store/jsonb-text.ts';
import { toRun } from '../store/runs.ts';
import type { Schema } from '../store/schema.ts';
import { RUN_NAME_TAG } from './known-tags.ts';
import { noTrackedRun, runIsDeleted } from './lock-tracked-run.ts';
import { storedInstant } from './stored-instant.ts';

export interface RunUpdate {
  readonly status?: RunStatus | undefined;
  /** Epoch milliseconds. */
  readonly endMs?: number | undefined;
  readonly name?: string | undefined;
}

/**
 * Changes what is known of a tracked run. Of one that we execute only the name: its process decides on the rest.
 * One from outside may be reopened after it has ended.
 * @throws TrainyardError NOT_FOUND, CONFLICT while it is deleted
 */
export async function updateTrackedRun(
  parts: { readonly db: Kysely<Schema>; readonly bus: LiveBus },
  runId: string,
  update: RunUpdate,
): Promise<void> {
  const change = await parts.db.transaction().execute(async (trx) => {
    const found = await lockRun(trx, runId);
    if (update.name !== undefined) await rename(trx, runId, update.name, found.isExternal);
    if (!found.isExternal || (update.status === undefined && update.endMs === undefined)) return undefined;
    return setStatus(trx, found, update);
  });
  if (change !== undefined)
    parts.bus.emit('tree', { rootId: runId, events: change.events, runs: [change.run] });
}

interface LockedRun {
  readonly id: string;
  readonly isExternal: boolean;
  readonly status: RunStatus;
  readonly eventSeq: number;
  readonly startMs: number;
  readonly endMs: number | null;
}

async function lockRun(trx: Transaction<Schema>, runId: string): Promise<LockedRun> {
  const { rows } = await sql<LockedRun & { isDeleted: boolean }>`
    select r.id, t.is_external as "isExternal", r.status, t.event_seq as "eventSeq",
      x.start_ms as "startMs", x.end_ms as "endMs", x.deleted_at is not null as "isDeleted"
    from tracked_runs x join runs r on r.id = x.run_id join trees t on t.root_id = r.root_id
    where x.run_id = ${runId} for no key update of x`.execute(trx);
  const [found] = rows;
  if (found === undefined) throw noTrackedRun(runId);
  if (found.isDeleted) throw runIsDeleted(runId);
  return found;
}

async function rename(
  trx: Transaction<Schema>,
  runId: string,
  name: string,
  isExternal: boolean,
): Promise<void> {
  await trx.updateTable('tracked_runs').set({ name }).where('run_id', '=', runId).execute();
  await trx
    .insertInto('run_tags')
    .values({ run_id: runId, key: RUN_NAME_TAG, value: name })
    .onConflict((conflict) => conflict.columns(['run_id', 'key']).doUpdateSet({ value: name }))
    .execute();
  // The rows of a run that we execute are its owner's.
  if (!isExternal) return;
  await trx.updateTable('runs').set({ name }).where('id', '=', runId).execute();
  await trx.updateTable('trees').set({ name }).where('root_id', '=', runId).execute();
}

async function setStatus(
  trx: Transaction<Schema>,
  found: LockedRun,
  { status = found.status, endMs }: RunUpdate,
): Promise<{ run: Run; events: RunEvent[] }> {
  const hasEnded = isTerminalRunStatus(status);
  // A client that says when it ended without saying that it has is believed, as MLflow does.
  const end = endMs ?? (hasEnded ? (found.endMs ?? Date.now()) : null);
  const endedAt = hasEnded && end !== null ? storedInstant(end) : null;
  const events = status === found.status ? [] : [statusEvent(found, status, end)];
  const row = await trx
    .updateTable('runs')
    .set({
      status,
      ended_at: endedAt,
      started_at: sql<Date>`coalesce(started_at, ${status === 'queued' ? null : storedInstant(found.startMs)}::timestamptz)`,
    })
    .where('id', '=', found.id)
    .returningAll()
    .executeTakeFirstOrThrow();
  await trx
    .updateTable('trees')
    .set({ status, ended_at: endedAt, event_seq: found.eventSeq + events.length })
    .where('root_id', '=', found.id)
    .execute();
  await trx.updateTable('tracked_runs').set({ end_ms: end }).where('run_id', '=', found.id).execute();
  if (events.length > 0)
    await trx
      .insertInto('events')
      .values(
        events.map((event) => ({
          root_id: event.rootId,
          seq: event.seq,
          run_id: event.runId,
          type: event.type,
          at: event.at,
          data: jsonbText(event.data),
        })),
      )
      .execute();
  return { run: toRun(row), events };
}

function statusEvent(found: LockedRun, status: RunStatus, endMs: number | null): RunEvent {
  const at = new Date().toISOString();
  const base = { rootId: found.id, runId: found.id, path: '', at, seq: found.eventSeq + 1 };
  if (!isTerminalRunStatus(status)) return { ...base, type: 'run.started', data: { attempt: 0 } };
  const durationMs = endMs === null ? null : Math.max(0, endMs - found.startMs);
  return {
    ...base,
    type: 'run.finished',
    data: { status, durationMs, error: null, reason: null, attempt: 0 },
  };
}
