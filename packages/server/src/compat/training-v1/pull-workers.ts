import {
  AGENT_PROTOCOL,
  type AttemptSpec,
  type AttemptStatus,
  isTerminalAttemptStatus,
  type PendingCommand,
  type registerWorker,
} from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Pool } from 'pg';
import type { z } from 'zod';
import { ANY_GPUS } from '../../attempts/any-gpus.ts';
import { CLAIMED_COLUMNS, type ClaimedRow, leaseSql, tellClaimedSql } from '../../attempts/claim-parts.ts';
import { newAttemptTokens } from '../../auth/secret-token.ts';
import { joinedParamUpdates } from '../../store/param-updates.ts';
import type { Schema } from '../../store/schema.ts';
import { inTransaction } from '../../store/transaction.ts';

/** Workers that pull jobs by the older API, and the statements by which they do. Each is a row of `agents`. */

export interface PullWorker {
  readonly id: string;
  readonly owner: string | null;
  readonly slots: number;
  readonly gpus: number;
  readonly queues: readonly string[];
}

/** A job that may be pulled. */
export interface PullableJob {
  readonly runId: string;
  readonly name: string;
  readonly spec: AttemptSpec;
  readonly createdAt: Date;
}

export async function findWorker(db: Kysely<Schema>, id: string): Promise<PullWorker | undefined> {
  return db
    .selectFrom('agents')
    .select(['id', 'owner', 'slots', 'gpus', 'queues'])
    .where('id', '=', id)
    .executeTakeFirst();
}

/** Notes a worker, new or again; what it held before is not renewed by a mere sign of life from now on. */
export async function saveWorker(
  db: Kysely<Schema>,
  id: string,
  worker: z.output<typeof registerWorker>,
  owner: string | null,
): Promise<void> {
  const values = {
    name: worker.name ?? worker.hostname,
    hostname: worker.hostname,
    version: worker.version,
    boot_id: '',
    slots: worker.max_concurrency,
    gpus: worker.gpu_count ?? ANY_GPUS,
    queues: worker.queues,
    labels: JSON.stringify({ platform: worker.platform }),
    last_seen_at: new Date(),
    registered_at: new Date(),
    owner,
  };
  await db
    .insertInto('agents')
    .values({ id, ...values })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
    .execute();
}

/**
 * What a worker can pull: attempts of its queues that fit its GPUs, need no program of an agent of ours, no
 * secret, and take part in no pool or group.
 */
const PULLABLE = `a.status = 'queued' and a.limits is null and a.gate is null
  and a.spec -> 'builtin' is null and coalesce(json_array_length(a.spec -> 'secrets'), 0) = 0`;

/** The job that comes first; only of `owner`, where one is given. */
export async function nextJob(
  pool: Pool,
  worker: PullWorker,
  owner: string | undefined,
): Promise<PullableJob | undefined> {
  const { rows } = await pool.query<PullableJob>({
    name: 'pull-next',
    text: `select a.run_id as "runId", r.name, a.spec, a.created_at as "createdAt"
      from attempts a join runs r on r.id = a.run_id join trees t on t.root_id = a.root_id
      where ${PULLABLE} and a.queue = any($1::text[]) and a.gpus <= $2
        and ($3::text is null or t.created_by = $3)
      order by a.rank, a.id limit 1`,
    values: [worker.queues, worker.gpus, owner ?? null],
  });
  return rows[0];
}

export type ClaimResult =
  | { readonly kind: 'claimed'; readonly spec: AttemptSpec; readonly token: string }
  | { readonly kind: 'full' }
  | { readonly kind: 'unclaimable' };

// A claim that comes again before the job was started has lost its answer: it gets the same job with another token.
// `leaseSql` takes $1 as the agent and $2 as the request.
const CLAIM_SQL = `
  with repeated as (
    select id from attempts where id = $3 and agent_id = $1 and status = 'leased'
  ), held as (
    select count(*) as count from attempts
    where agent_id = $1 and status in ('leased', 'running', 'paused') and id <> $3
  ), room as (
    select held.count < g.slots as is_there from agents g, held where g.id = $1
  ), picked as (
    select a.id from attempts a, room
    where a.id = $3 and room.is_there and (${PULLABLE} or exists (select from repeated))
    for update of a
  ), claimed as (
    update attempts a set ${leaseSql({ seed: '$4::bytea', number: '1' })}
    from picked where a.id = picked.id
    returning ${CLAIMED_COLUMNS}, 1 as token_number
  ), told as (
    ${tellClaimedSql('$5::bigint', 'where not exists (select from repeated)')}
  )
  select room.is_there, claimed.spec, claimed.token_number from room left join claimed on true`;

/** Claims one attempt for a worker, if it is still to be had. */
export function claimJob(pool: Pool, workerId: string, attemptId: string): Promise<ClaimResult> {
  return inTransaction(pool, 'read committed', async (client) => {
    // First, in a statement of its own: what follows sees all that other claims of this worker have taken.
    await client.query('select from agents where id = $1 for update', [workerId]);
    const tokens = newAttemptTokens();
    const { rows } = await client.query<{ is_there: boolean } & (ClaimedRow | { spec: null })>({
      name: 'pull-claim',
      text: CLAIM_SQL,
      values: [workerId, `pull ${attemptId}`, attemptId, tokens.seed, Date.now()],
    });
    const row = rows[0];
    if (row === undefined || row.spec === null) {
      return { kind: row?.is_there === false ? 'full' : 'unclaimable' };
    }
    return { kind: 'claimed', spec: row.spec, token: tokens.token(row.token_number) };
  });
}

export async function heldCount(db: Kysely<Schema>, workerId: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from attempts
    where agent_id = ${workerId} and status in ('leased', 'running', 'paused')`.execute(db);
  return rows[0]!.count;
}

/**
 * Renews what a worker works on, and gives what it has to do about it. Without a list of jobs that is all that
 * it has claimed since it registered: one that started anew may have forgotten the others.
 */
export async function renewAndCommand(
  db: Kysely<Schema>,
  workerId: string,
  activeJobs: readonly string[] | undefined,
): Promise<PendingCommand[]> {
  await sql`update agents set last_seen_at = now() where id = ${workerId}`.execute(db);
  const { rows } = await sql<HeldRow>`
    update attempts a
    set lease_until = now() + ${AGENT_PROTOCOL.leaseMs} * interval '1 millisecond', unreachable_since = null
    from agents g
    where g.id = ${workerId} and a.agent_id = g.id and a.status in ('leased', 'running', 'paused')
      and case when ${activeJobs === undefined} then a.claimed_at >= g.registered_at
        else a.run_id = any(${activeJobs ?? []}::text[]) end
    returning a.run_id, a.status, a.cancel_requested_at is not null as is_cancelled,
      a.pause_mode is not null as is_pause_wanted, a.params_revision, a.params_answered`.execute(db);
  const held = new Set(
    rows.filter(({ status }) => !isTerminalAttemptStatus(status)).map((row) => row.run_id),
  );
  const changed = rows.filter(
    (row) => row.params_revision > row.params_answered && held.has(row.run_id) && !row.is_cancelled,
  );
  const updates = await joinedParamUpdates(
    db,
    changed.map((row) => row.run_id),
  );
  const changes = [...updates].map(
    ([id, { revision, params }]): PendingCommand => ({
      command: 'update_params',
      job_id: id,
      revision,
      params,
    }),
  );
  const commands = rows.flatMap((row): PendingCommand[] => {
    const command = commandFor(row);
    return command === undefined ? [] : [{ command, job_id: row.run_id }];
  });
  const lost = (activeJobs ?? [])
    .filter((id) => !held.has(id))
    .map((id): PendingCommand => ({ command: 'discard', job_id: id }));
  return [...commands, ...changes, ...lost];
}

interface HeldRow {
  readonly run_id: string;
  readonly status: AttemptStatus;
  readonly is_cancelled: boolean;
  readonly is_pause_wanted: boolean;
  readonly params_revision: number;
  readonly params_answered: number;
}

/** What a worker has to do until its job is as it should be. */
function commandFor(row: HeldRow): PendingCommand['command'] | undefined {
  if (row.is_cancelled) return 'cancel';
  if (row.is_pause_wanted) return row.status === 'running' ? 'pause' : undefined;
  return row.status === 'paused' ? 'resume' : undefined;
}
