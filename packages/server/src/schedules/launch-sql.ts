import type { JsonValue, OverlapPolicy } from '@trainyard/protocol';
import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { insertFacts } from '../attempts/claim.ts';
import type { SchedulesTable } from '../store/automation-schema.ts';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Schema } from '../store/schema.ts';
import type { DueDecision } from './due-instants.ts';
import type { OpenLaunch } from './launch-policy.ts';

/** Owners that one round looks after. */
const OWNERS_PER_ROUND = 200;
/** Runs of which one round notes that they have ended. */
const ENDED_PER_ROUND = 2000;
/** Waiting launches that are read of one owner: more than can start in a round. */
const WAITING_READ = 200;

/** What planned runs belong to, as far as starting them needs it. */
export interface OwnerRow {
  readonly id: string;
  readonly kind: 'schedule' | 'backfill';
  readonly name: string;
  readonly pipeline: string;
  readonly version: number | null;
  readonly params: Record<string, JsonValue>;
  readonly cron: string | null;
  readonly every_ms: number | null;
  readonly timezone: string;
  readonly from_at: Date | null;
  readonly overlap: OverlapPolicy | null;
  readonly max_parallel: number | null;
  readonly newest_first: boolean;
}

export interface OpenRow {
  readonly id: number;
  readonly at: Date;
  readonly state: OpenLaunch['state'];
  readonly run_id: string | null;
  readonly claimed_until: Date | null;
  readonly cancel_requested_at: Date | null;
}

/** Marks the launches whose runs have ended; gives how many. */
export async function settleEnded(db: Kysely<Schema>): Promise<number> {
  const { numAffectedRows } = await sql`
    update launches l set state = 'ended', run_status = x.status
    from (
      select l.id, t.status from launches l join trees t on t.root_id = l.run_id
      where l.state = 'running' and t.ended_at is not null
      limit ${ENDED_PER_ROUND} for update of l skip locked
    ) x
    where l.id = x.id`.execute(db);
  return Number(numAffectedRows ?? 0);
}

/** One schedule that is due, locked until the transaction ends, with the numbers of its open launches. */
export async function lockDueSchedule(
  trx: Transaction<Schema>,
  now: Date,
): Promise<(Selectable<SchedulesTable> & { open: number; waiting: number }) | undefined> {
  const { rows } = await sql<Selectable<SchedulesTable>>`
    select * from schedules where paused_at is null and due_at <= ${now}::timestamptz
    order by due_at limit 1 for update skip locked`.execute(trx);
  const [row] = rows;
  return row === undefined ? undefined : { ...row, ...(await countOpen(trx, row.id)) };
}

/** Seen after the owner is locked, so that no other server has changed it meanwhile. */
export async function countOpen(
  trx: Kysely<Schema>,
  ownerId: string,
): Promise<{ open: number; waiting: number }> {
  const { rows } = await sql<{ open: number; waiting: number }>`
    select count(*) as open, count(*) filter (where state = 'waiting') as waiting
    from launches where owner_id = ${ownerId} and state in ('waiting', 'starting', 'running')`.execute(trx);
  return rows[0] ?? { open: 0, waiting: 0 };
}

/** Stores what was decided about a schedule: its launches and its next instant, in one transaction. */
export async function writeDecision(
  trx: Transaction<Schema>,
  schedule: Pick<Selectable<SchedulesTable>, 'id' | 'pipeline'>,
  decision: DueDecision & { readonly dueAtMs: number | null },
  now: Date,
): Promise<void> {
  const launches = decision.launches.map(({ atMs, state, reason }) => ({
    at: new Date(atMs).toISOString(),
    state,
    reason,
  }));
  await sql`
    insert into launches (owner_id, pipeline, at, state, reason, created_at)
    select ${schedule.id}, ${schedule.pipeline}, at, state, reason, ${now}::timestamptz
    from json_to_recordset(${jsonbText(launches)}::json) as x(at timestamptz, state text, reason text)
    order by at
    on conflict (owner_id, at) do nothing`.execute(trx);
  await sql`
    update schedules set next_at = ${dateOf(decision.nextAtMs)}::timestamptz,
      due_at = ${dateOf(decision.dueAtMs)}::timestamptz
    where id = ${schedule.id}`.execute(trx);
}

/** Owners of which something may be able to start. */
export async function ownersWithWork(db: Kysely<Schema>, now: Date): Promise<string[]> {
  const { rows } = await sql<{ owner_id: string }>`
    select distinct owner_id from launches
    where state = 'waiting' or (state = 'starting' and claimed_until <= ${now}::timestamptz)
    limit ${OWNERS_PER_ROUND}`.execute(db);
  return rows.map((row) => row.owner_id);
}

/** The owner, locked until the transaction ends; undefined when another server is at it, or it is gone. */
export async function lockOwner(trx: Transaction<Schema>, id: string): Promise<OwnerRow | undefined> {
  const { rows } = id.startsWith('sch_')
    ? await sql<OwnerRow>`
        select id, 'schedule' as kind, name, pipeline, version, params, cron, null::bigint as every_ms, timezone,
          null::timestamptz as from_at, overlap, null::int as max_parallel, false as newest_first
        from schedules where id = ${id} for update skip locked`.execute(trx)
    : await sql<OwnerRow>`
        select id, 'backfill' as kind, pipeline as name, pipeline, version, params, cron, every_ms, timezone,
          from_at, null as overlap, max_parallel, newest_first
        from backfills where id = ${id} for update skip locked`.execute(trx);
  return rows[0];
}

/** All launches that start or run, and the first of those that wait, in the order in which they shall start. */
export async function openLaunches(
  trx: Transaction<Schema>,
  { id, newest_first: newestFirst }: Pick<OwnerRow, 'id' | 'newest_first'>,
): Promise<OpenRow[]> {
  const order = sql.raw(newestFirst ? 'desc' : 'asc');
  const { rows } = await sql<OpenRow>`
    (select id, at, state, run_id, claimed_until, cancel_requested_at from launches
     where owner_id = ${id} and state in ('starting', 'running'))
    union all
    (select id, at, state, run_id, claimed_until, cancel_requested_at from launches
     where owner_id = ${id} and state = 'waiting' order by at ${order} limit ${WAITING_READ})`.execute(trx);
  const sign = newestFirst ? -1 : 1;
  return rows.sort((a, b) => sign * (a.at.getTime() - b.at.getTime()));
}

/** Writes a choice; runs to be cancelled are told so in the same transaction. */
export async function writeChoice(
  trx: Transaction<Schema>,
  choice: {
    readonly start: readonly number[];
    readonly skip: readonly { readonly id: number; readonly reason: string }[];
    readonly cancel: readonly OpenRow[];
    readonly claimedUntil: Date;
  },
  now: Date,
): Promise<void> {
  if (choice.start.length > 0) {
    await sql`
      update launches set state = 'starting', claimed_until = ${choice.claimedUntil}::timestamptz
      where id = any(${choice.start}::bigint[])`.execute(trx);
  }
  if (choice.skip.length > 0) {
    await sql`
      update launches l set state = 'skipped', reason = x.reason
      from json_to_recordset(${jsonbText(choice.skip)}::json) as x(id bigint, reason text)
      where l.id = x.id`.execute(trx);
  }
  await requestCancel(trx, choice.cancel, 'the next run of its schedule is due', now);
}

export async function requestCancel(
  trx: Transaction<Schema>,
  launches: readonly Pick<OpenRow, 'id' | 'run_id'>[],
  reason: string,
  now: Date,
): Promise<void> {
  if (launches.length === 0) return;
  await sql`
    update launches set cancel_requested_at = ${now}::timestamptz
    where id = any(${launches.map(({ id }) => id)}::bigint[])`.execute(trx);
  const facts = launches.flatMap(({ run_id: runId }) =>
    runId === null ? [] : [{ root_id: runId, event: { kind: 'cancel', node: 0, at: now.getTime(), reason } }],
  );
  await insertFacts(trx, facts);
}

/** Notes the run of a launch. Should its backfill have been cancelled meanwhile, the run is cancelled too. */
export async function noteStarted(
  db: Kysely<Schema>,
  launch: OpenRow,
  owner: OwnerRow,
  started: {
    readonly runId: string;
    readonly now: Date;
  },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    // Locked, so that a cancel comes either before, and is seen here, or after, and sees the run.
    const { rows } = await sql<{ cancelled_at: Date | null }>`
      select cancelled_at from backfills where id = ${owner.id} for share`.execute(trx);
    const { numAffectedRows } = await sql`
      update launches set state = 'running', run_id = ${started.runId}, claimed_until = null
      where id = ${launch.id} and state = 'starting'`.execute(trx);
    if (numAffectedRows === 0n || rows[0] === undefined || rows[0].cancelled_at === null) return;
    await requestCancel(
      trx,
      [{ id: launch.id, run_id: started.runId }],
      'its backfill was cancelled',
      started.now,
    );
  });
}

export async function noteRefused(db: Kysely<Schema>, id: number, reason: string): Promise<void> {
  await sql`
    update launches set state = 'refused', reason = ${reason}, claimed_until = null
    where id = ${id} and state = 'starting'`.execute(db);
}

/** Pauses a schedule that cannot be decided about, so that it holds up no other. */
export async function pauseBroken(db: Kysely<Schema>, id: string, reason: string, now: Date): Promise<void> {
  await sql`
    update schedules set paused_at = ${now}::timestamptz, pause_reason = ${reason} where id = ${id}`.execute(
    db,
  );
}

/** What was left out is of no use after a while; a limited number at a time. */
export async function removeOldSkipped(db: Kysely<Schema>, before: Date): Promise<void> {
  await sql`
    delete from launches where id in (
      select id from launches
      where owner_id like 'sch\\_%' and state in ('skipped', 'refused') and created_at < ${before}::timestamptz
      limit 5000 for update skip locked
    )`.execute(db);
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
