import {
  type AttemptStatus,
  isHeldAttemptStatus,
  type JobParamUpdate,
  type JsonValue,
  type ParamAnswer,
  type ParamUpdate,
  TrainyardError,
} from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { ClientBase, Pool } from 'pg';
import { jsonbText } from './jsonb-text.ts';
import type { Schema } from './schema.ts';
import { inTransaction } from './transaction.ts';

/** Changes of the params of running jobs: what was asked for, and what the program has made of it. */

/** Changes of one run; whoever needs more of them has another way to tell its program something. */
const MAX_UPDATES_PER_RUN = 1000;
/** Changes that are shown. */
const MAX_SHOWN = 100;

/**
 * Notes a change for the program of an attempt that goes on; its agent, or the program, finds it from then on.
 * @returns its number in the run; undefined when the attempt has ended
 * @throws TrainyardError CONFLICT when there were too many
 */
export function requestParamUpdate(
  pool: Pool,
  wanted: {
    readonly runId: string;
    readonly attemptId: string;
    readonly params: Readonly<Record<string, JsonValue | undefined>>;
    readonly by: string | null;
  },
): Promise<number | undefined> {
  const { runId, attemptId, params, by } = wanted;
  return inTransaction(pool, 'read committed', async (client) => {
    const { rows } = await client.query<{ status: AttemptStatus; params_revision: number }>(
      'select status, params_revision from attempts where id = $1 for update',
      [attemptId],
    );
    if (rows[0] === undefined || !isHeldAttemptStatus(rows[0].status)) return undefined;
    const revision = rows[0].params_revision + 1;
    if (revision > MAX_UPDATES_PER_RUN) {
      const message = `The params of run ${runId} were changed ${MAX_UPDATES_PER_RUN} times; that is the most.`;
      throw new TrainyardError('CONFLICT', message);
    }
    await client.query(
      `insert into param_updates (run_id, revision, params, requested_by, requested_at)
       values ($1, $2, $3::jsonb, $4, now())`,
      [runId, revision, jsonbText(params), by],
    );
    await client.query('update attempts set params_revision = $2 where id = $1', [attemptId, revision]);
    return revision;
  });
}

interface GivenAnswer {
  readonly attemptId: string;
  readonly runId: string;
  readonly number: number;
  readonly answer: ParamAnswer;
}

/** Notes what programs have made of changes. A repeat changes nothing, and neither does one of a change that is none. */
export async function answerParamUpdates(
  client: Pick<ClientBase, 'query'>,
  given: readonly GivenAnswer[],
): Promise<void> {
  for (const { attemptId, runId, number, answer } of given) {
    const { revision, accepted, rejected, step } = answer;
    await client.query(
      `with answered as (
        update param_updates
        set attempt = $3, accepted = $4::jsonb, rejected = $5::jsonb, step = $6, answered_at = now()
        where run_id = $1 and revision = $2 and (answered_at is null or attempt < $3)
      )
      update attempts set params_answered = greatest(params_answered, $2) where id = $7 and params_revision >= $2`,
      [runId, revision, number, jsonbText(accepted), jsonbText(rejected), step ?? null, attemptId],
    );
  }
}

/** The newest changes of a run, the last one first. */
export async function paramUpdatesOf(db: Kysely<Schema>, runId: string): Promise<JobParamUpdate[]> {
  const rows = await db
    .selectFrom('param_updates')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy('revision', 'desc')
    .limit(MAX_SHOWN)
    .execute();
  const lastAnswered = Math.max(0, ...rows.map((row) => (row.answered_at === null ? 0 : row.revision)));
  return rows.map((row) => ({
    revision: row.revision,
    params: row.params,
    state: row.answered_at !== null ? 'answered' : row.revision < lastAnswered ? 'superseded' : 'pending',
    accepted: row.accepted,
    rejected: row.rejected,
    step: row.step,
    requested_by: row.requested_by,
    requested_at: row.requested_at.toISOString(),
    answered_at: row.answered_at?.toISOString() ?? null,
  }));
}

/** All changes of each run joined, the newest value of each param; runs without any are left out. */
export async function joinedParamUpdates(
  db: Kysely<Schema>,
  runIds: readonly string[],
): Promise<Map<string, ParamUpdate>> {
  const joined = new Map<string, ParamUpdate>();
  if (runIds.length === 0) return joined;
  const { rows } = await sql<{ run_id: string; revision: number; params: Record<string, JsonValue> }>`
    select run_id, revision, params from param_updates
    where run_id = any(${runIds}::text[]) order by run_id, revision`.execute(db);
  for (const { run_id: runId, revision, params } of rows) {
    joined.set(runId, { revision, params: { ...joined.get(runId)?.params, ...params } });
  }
  return joined;
}
