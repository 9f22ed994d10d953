import {
  type Backfill,
  type BackfillStatus,
  type JsonValue,
  type Launch,
  type LaunchState,
  NO_LAUNCHES,
  TrainyardError,
} from '@trainyard/protocol';
import { type Insertable, type Selectable, sql } from 'kysely';
import { requestCancel } from '../schedules/launch-sql.ts';
import type { BackfillsTable } from './automation-schema.ts';
import type { Database } from './database.ts';
import { jsonbText } from './jsonb-text.ts';
import { type LaunchQuery, listLaunches } from './launches.ts';

export interface NewBackfill extends Omit<Insertable<BackfillsTable>, 'params'> {
  readonly params: Readonly<Record<string, JsonValue>>;
  /** Its instants; with the run because of which one is left out. */
  readonly instants: readonly { readonly atMs: number; readonly completedBy: string | null }[];
}

export interface BackfillStore {
  /** Stores it with all its planned runs, or nothing. */
  add(backfill: NewBackfill): Promise<Backfill>;
  /** Newest first. */
  list(query: {
    readonly cursor?: string | undefined;
    readonly limit: number;
  }): Promise<{ items: Backfill[]; nextCursor: string | null }>;
  /** @throws TrainyardError NOT_FOUND */
  get(id: string): Promise<Backfill>;
  /** Starts nothing more, and cancels what runs. @throws TrainyardError NOT_FOUND, CONFLICT when it has ended */
  cancel(id: string, now: Date): Promise<Backfill>;
  launches(id: string, query: LaunchQuery): Promise<{ items: Launch[]; nextCursor: string | null }>;
  /** The runs that have completed for instants of a pipeline, by instant. */
  completedBy(pipeline: string, atMs: readonly number[]): Promise<ReadonlyMap<number, string>>;
}

type BackfillRow = Selectable<BackfillsTable> & {
  states: Partial<Record<LaunchState, number>> | null;
  succeeded: number;
  failed: number;
};

export function createBackfillStore({ kysely }: Database): BackfillStore {
  const read = async (where: { id?: string; cursor?: string; limit: number }): Promise<Backfill[]> => {
    const { rows } = await sql<BackfillRow>`
      select b.*, c.states, coalesce(c.succeeded, 0) as succeeded, coalesce(c.failed, 0) as failed
      from backfills b
      cross join lateral (
        select jsonb_object_agg(s.state, s.n) as states, sum(s.succeeded)::bigint as succeeded,
          sum(s.failed)::bigint as failed
        from (
          select l.state, count(*) as n,
            count(*) filter (where l.run_status in ('completed', 'stopped')) as succeeded,
            count(*) filter (where l.run_status not in ('completed', 'stopped')) as failed
          from launches l where l.owner_id = b.id group by l.state) s
      ) c
      where (${where.id ?? null}::text is null or b.id = ${where.id ?? null})
        and (${where.cursor ?? null}::text is null or b.id < ${where.cursor ?? null})
      order by b.id desc limit ${where.limit}`.execute(kysely);
    return rows.map(toBackfill);
  };
  const get = async (id: string): Promise<Backfill> => {
    const [found] = await read({ id, limit: 1 });
    if (found === undefined) throw new TrainyardError('NOT_FOUND', `There is no backfill ${id}.`);
    return found;
  };

  return {
    get,
    async add({ instants, params, ...backfill }) {
      await kysely.transaction().execute(async (trx) => {
        await trx
          .insertInto('backfills')
          .values({ ...backfill, params: jsonbText(params) })
          .execute();
        const rows = instants.map(({ atMs, completedBy }) => ({
          at: new Date(atMs).toISOString(),
          state: completedBy === null ? 'waiting' : 'skipped',
          reason: completedBy === null ? null : `run ${completedBy} has completed for it already`,
        }));
        await sql`
          insert into launches (owner_id, pipeline, at, state, reason, created_at)
          select ${backfill.id}, ${backfill.pipeline}, at, state, reason, ${backfill.created_at}::timestamptz
          from json_to_recordset(${jsonbText(rows)}::json) as x(at timestamptz, state text, reason text)
          order by at`.execute(trx);
      });
      return get(backfill.id);
    },
    async list({ cursor, limit }) {
      const found = await read({ ...(cursor === undefined ? {} : { cursor }), limit: limit + 1 });
      const items = found.slice(0, limit);
      return { items, nextCursor: found.length > limit ? items[items.length - 1]!.id : null };
    },
    async cancel(id, now) {
      const { status } = await get(id);
      if (status === 'completed' || status === 'failed') {
        const message = `Backfill ${id} is ${status} already; there is nothing to cancel.`;
        throw new TrainyardError('CONFLICT', message);
      }
      await kysely.transaction().execute(async (trx) => {
        // The row first: who starts its runs holds it. What is being started now is cancelled by its starter.
        await sql`
          update backfills set cancelled_at = coalesce(cancelled_at, ${now}::timestamptz)
          where id = ${id}`.execute(trx);
        await sql`
          update launches set state = 'skipped', reason = 'the backfill was cancelled'
          where owner_id = ${id} and state = 'waiting'`.execute(trx);
        const { rows } = await sql<{ id: number; run_id: string | null }>`
          select id, run_id from launches
          where owner_id = ${id} and state = 'running' and cancel_requested_at is null`.execute(trx);
        await requestCancel(trx, rows, 'its backfill was cancelled', now);
      });
      return get(id);
    },
    async launches(id, query) {
      await get(id);
      return listLaunches(kysely, id, query);
    },
    async completedBy(pipeline, atMs) {
      const instants = atMs.map((ms) => new Date(ms).toISOString());
      const { rows } = await sql<{ at: Date; run_id: string }>`
        select distinct on (at) at, run_id from launches
        where pipeline = ${pipeline} and at = any(${instants}::timestamptz[]) and state = 'ended'
          and run_status in ('completed', 'stopped')
        order by at, id desc`.execute(kysely);
      return new Map(rows.map((row) => [row.at.getTime(), row.run_id]));
    },
  };
}

function toBackfill(row: BackfillRow): Backfill {
  const launches = { ...NO_LAUNCHES, ...row.states };
  const open = launches.waiting + launches.starting + launches.running;
  return {
    id: row.id,
    status: statusOf({ isCancelled: row.cancelled_at !== null, open, bad: row.failed + launches.refused }),
    pipeline: row.pipeline,
    version: row.version,
    params: row.params as Backfill['params'],
    from: row.from_at.toISOString(),
    to: row.to_at.toISOString(),
    cron: row.cron,
    everyMs: row.every_ms,
    timezone: row.timezone,
    maxParallel: row.max_parallel,
    order: row.newest_first ? 'newest' : 'oldest',
    createdAt: row.created_at.toISOString(),
    cancelledAt: row.cancelled_at?.toISOString() ?? null,
    launches,
    succeeded: row.succeeded,
    failed: row.failed,
  };
}

function statusOf(of: { isCancelled: boolean; open: number; bad: number }): BackfillStatus {
  if (of.isCancelled) return of.open > 0 ? 'cancelling' : 'cancelled';
  if (of.open > 0) return 'running';
  return of.bad > 0 ? 'failed' : 'completed';
}
