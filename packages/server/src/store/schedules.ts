import {
  type JsonValue,
  type Launch,
  type OverlapPolicy,
  SCHEDULE_LIMITS,
  type Schedule,
  TrainyardError,
} from '@trainyard/protocol';
import { type Insertable, type Selectable, sql } from 'kysely';
import { countOpen } from '../schedules/launch-sql.ts';
import type { LaunchesTable, SchedulesTable } from './automation-schema.ts';
import type { Database } from './database.ts';
import { jsonbText } from './jsonb-text.ts';
import { type LaunchQuery, listLaunches, toLaunch } from './launches.ts';

/** The clock of a schedule: its next instant, and the same with its jitter. */
export interface ScheduleClock {
  readonly nextAt: Date | null;
  readonly dueAt: Date | null;
}

/** Schedules, for those who manage them. Names may be ids everywhere. */
export interface ScheduleStore {
  /** @throws TrainyardError CONFLICT when the name is taken or there are too many */
  add(schedule: Insertable<SchedulesTable>): Promise<Schedule>;
  /** By name. */
  list(): Promise<Schedule[]>;
  /** @throws TrainyardError NOT_FOUND */
  get(name: string): Promise<Schedule>;
  /** Leaves out what waits; runs go on. @throws TrainyardError NOT_FOUND */
  pause(name: string, reason: string | null, at: Date): Promise<Schedule>;
  /** @param clock the instants from now on @throws TrainyardError NOT_FOUND */
  resume(name: string, clock: (schedule: Schedule) => ScheduleClock): Promise<Schedule>;
  /** With all that it planned; runs go on. @throws TrainyardError NOT_FOUND */
  remove(name: string): Promise<void>;
  /** Plans a run for now. @throws TrainyardError NOT_FOUND, CONFLICT when the overlap policy forbids it */
  runNow(name: string, at: Date): Promise<Launch>;
  launches(name: string, query: LaunchQuery): Promise<{ items: Launch[]; nextCursor: string | null }>;
}

export function createScheduleStore({ kysely }: Database): ScheduleStore {
  const rows = () =>
    kysely
      .selectFrom('schedules')
      .leftJoinLateral(
        (eb) =>
          eb
            .selectFrom('launches')
            .select(sql<Selectable<LaunchesTable> | null>`row_to_json(launches)`.as('last'))
            .whereRef('owner_id', '=', 'schedules.id')
            .orderBy('launches.id', 'desc')
            .limit(1)
            .as('newest'),
        (join) => join.onTrue(),
      )
      .selectAll('schedules')
      .select('newest.last')
      .orderBy('name');
  const get = async (name: string): Promise<Schedule> => {
    const row = await rows()
      .where((eb) => eb.or([eb('name', '=', name), eb('schedules.id', '=', name)]))
      .executeTakeFirst();
    if (row === undefined) throw new TrainyardError('NOT_FOUND', `There is no schedule "${name}".`);
    return toSchedule(row);
  };

  return {
    get,
    async add(schedule) {
      const { rows: counted } = await sql<{ n: number }>`select count(*) as n from schedules`.execute(kysely);
      if (counted[0]!.n >= SCHEDULE_LIMITS.schedules) {
        const message = `There are ${SCHEDULE_LIMITS.schedules} schedules already; remove one first: trainyard schedules remove NAME`;
        throw new TrainyardError('CONFLICT', message);
      }
      const added = await kysely
        .insertInto('schedules')
        .values(schedule)
        .onConflict((conflict) => conflict.column('name').doNothing())
        .returning('id')
        .executeTakeFirst();
      if (added !== undefined) return get(added.id);
      const message = `There is a schedule "${schedule.name}" already; remove it first or take another name.`;
      throw new TrainyardError('CONFLICT', message);
    },
    list: async () => (await rows().execute()).map(toSchedule),
    async pause(name, reason, at) {
      const { id } = await get(name);
      await kysely.transaction().execute(async (trx) => {
        // The row first: who decides about the schedule holds it, and must not add to what is left out here.
        await sql`
          update schedules set paused_at = coalesce(paused_at, ${at}::timestamptz), pause_reason = ${reason}
          where id = ${id}`.execute(trx);
        await sql`
          update launches set state = 'skipped', reason = 'the schedule was paused'
          where owner_id = ${id} and state = 'waiting'`.execute(trx);
      });
      return get(id);
    },
    async resume(name, clock) {
      const schedule = await get(name);
      const { nextAt, dueAt } = clock(schedule);
      await sql`
        update schedules
        set paused_at = null, pause_reason = null, next_at = ${nextAt}::timestamptz, due_at = ${dueAt}::timestamptz
        where id = ${schedule.id} and paused_at is not null`.execute(kysely);
      return get(schedule.id);
    },
    async remove(name) {
      const { id } = await get(name);
      await kysely.transaction().execute(async (trx) => {
        await trx.deleteFrom('schedules').where('id', '=', id).execute();
        await trx.deleteFrom('launches').where('owner_id', '=', id).execute();
      });
    },
    async runNow(name, at) {
      const { id } = await get(name);
      return kysely.transaction().execute(async (trx) => {
        const locked = await trx
          .selectFrom('schedules')
          .select(['name', 'pipeline', 'overlap'])
          .where('id', '=', id)
          .forUpdate()
          .executeTakeFirst();
        if (locked === undefined) throw new TrainyardError('NOT_FOUND', `There is no schedule "${name}".`);
        refuseOverlap(locked, await countOpen(trx, id));
        // Never on a full second: those are the clock's.
        const instant = new Date(Math.floor(at.getTime() / 1000) * 1000 + Math.max(1, at.getMilliseconds()));
        const { rows: added } = await sql<Selectable<LaunchesTable>>`
          insert into launches (owner_id, pipeline, at, state, is_manual, created_at)
          select ${id}, ${locked.pipeline}, greatest(${instant}::timestamptz, max(l.at) + interval '1 ms'), 'waiting',
            true, ${at}::timestamptz
          from launches l where l.owner_id = ${id} and l.at >= ${instant}::timestamptz
          returning *`.execute(trx);
        return toLaunch(added[0]!);
      });
    },
    async launches(name, query) {
      return listLaunches(kysely, (await get(name)).id, query);
    },
  };
}

/** @throws TrainyardError CONFLICT */
function refuseOverlap(
  { name, overlap }: { readonly name: string; readonly overlap: OverlapPolicy },
  { open, waiting }: { readonly open: number; readonly waiting: number },
): void {
  if (overlap === 'skip' && open > 0) {
    const message = `A run of schedule "${name}" has not ended, and its overlap policy is skip. See: trainyard schedules show ${name}`;
    throw new TrainyardError('CONFLICT', message);
  }
  if (overlap !== 'cancel_running' && waiting >= SCHEDULE_LIMITS.queue) {
    const message = `${waiting} runs of schedule "${name}" wait already, which is the limit.`;
    throw new TrainyardError('CONFLICT', message);
  }
}

/** The row of a new schedule. */
export function scheduleRow(
  schedule: Omit<Insertable<SchedulesTable>, 'params'> & {
    readonly params: Readonly<Record<string, JsonValue>>;
  },
): Insertable<SchedulesTable> {
  return { ...schedule, params: jsonbText(schedule.params) };
}

function toSchedule(row: Selectable<SchedulesTable> & { last: Selectable<LaunchesTable> | null }): Schedule {
  return {
    id: row.id,
    name: row.name,
    pipeline: row.pipeline,
    version: row.version ?? 'latest',
    params: row.params as Schedule['params'],
    cron: row.cron,
    timezone: row.timezone,
    catchUp: row.catch_up,
    overlap: row.overlap,
    jitterMs: row.jitter_ms,
    startAt: row.start_at?.toISOString() ?? null,
    endAt: row.end_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
    pausedAt: row.paused_at?.toISOString() ?? null,
    pauseReason: row.pause_reason,
    nextAt: row.next_at?.toISOString() ?? null,
    lastLaunch: row.last === null ? null : toLaunch(fromJson(row.last)),
  };
}

/** A row that came as JSON has its instants as texts. */
function fromJson(row: Selectable<LaunchesTable>): Selectable<LaunchesTable> {
  return { ...row, at: new Date(row.at), created_at: new Date(row.created_at) };
}
