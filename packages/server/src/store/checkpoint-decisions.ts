import {
  decideCleanup,
  isId,
  type JudgedCheckpoint,
  type KeepPolicy,
  type ModelCheckpoint,
  newId,
  type ReportedCheckpoint,
  TrainyardError,
} from '@trainyard/protocol';
import type { Pool, PoolClient } from 'pg';
import type { Database } from './database.ts';
import { readInUse, selectCheckpoints, toCheckpoint } from './model-checkpoints.ts';
import { inTransaction } from './transaction.ts';

/** What people decide about single checkpoints. Rows follow what agents find on disk; here nothing is deleted. */
export interface CheckpointDecisions {
  /** @throws TrainyardError NOT_FOUND */
  get(id: string): Promise<ModelCheckpoint>;
  /** @throws TrainyardError NOT_FOUND, CONFLICT when it is gone or being deleted */
  pin(id: string): Promise<ModelCheckpoint>;
  /** @throws TrainyardError NOT_FOUND */
  unpin(id: string): Promise<ModelCheckpoint>;
  /** Asks that its files are deleted at the next occasion. @throws TrainyardError NOT_FOUND, CONFLICT */
  requestRemoval(id: string): Promise<ModelCheckpoint>;
}

/** An agent that was told to delete files does it within this time, or has died. */
const DELETING_FOR = "interval '10 minutes'";
const MAX_JUDGED = 10_000;

export function createCheckpointDecisions({ kysely, pool }: Database): CheckpointDecisions {
  const get = async (id: string): Promise<ModelCheckpoint> => {
    const row = isId('ckp', id)
      ? await selectCheckpoints(kysely).where('c.id', '=', id).executeTakeFirst()
      : undefined;
    if (row === undefined) throw new TrainyardError('NOT_FOUND', `There is no checkpoint ${id}.`);
    return toCheckpoint(row);
  };
  const change = async (id: string, set: string, condition: string): Promise<boolean> => {
    const { rowCount } = await pool.query(
      `update model_checkpoints set ${set} where id = $1 and deleted_at is null and ${condition}`,
      [id],
    );
    return rowCount === 1;
  };
  return {
    get,
    async pin(id) {
      const isDone = await change(
        id,
        'pinned_at = coalesce(pinned_at, now()), removal_requested_at = null',
        `(doomed_at is null or doomed_at < now() - ${DELETING_FOR})`,
      );
      const found = await get(id);
      if (isDone) return found;
      const why =
        found.deletedAt === null ? 'an agent is deleting its files' : `deleted since ${found.deletedAt}`;
      throw new TrainyardError('CONFLICT', `Checkpoint ${id} cannot be pinned: ${why}.`);
    },
    async unpin(id) {
      await change(id, 'pinned_at = null', 'true');
      return get(id);
    },
    async requestRemoval(id) {
      const isDone = await change(
        id,
        'removal_requested_at = coalesce(removal_requested_at, now())',
        'pinned_at is null',
      );
      const found = await get(id);
      if (!isDone && found.deletedAt === null) {
        throw new TrainyardError('CONFLICT', `Checkpoint ${id} is pinned; unpin it before it is removed.`);
      }
      return found;
    },
  };
}

/**
 * Applies the policy of a training job to all that it has, with what an attempt has recorded but not yet
 * reported. Those that go are marked in the same transaction, so that nobody pins one while it is deleted.
 * @returns their paths
 */
export async function decideRetention(
  database: Pick<Database, 'kysely'> & { readonly pool: Pool },
  jobId: string,
  policy: KeepPolicy,
  recorded: readonly ReportedCheckpoint[],
): Promise<string[]> {
  const inUse = await readInUse(database.kysely, jobId);
  return inTransaction(database.pool, 'read committed', async (client) => {
    const rows = await lockLive(client, jobId);
    const known = new Map<string, JudgedCheckpoint>(
      rows.map((row) => [
        row.path,
        {
          ...row,
          isProtected: row.is_pinned || inUse.has(row.path),
          isUnwanted: row.is_unwanted,
        },
      ]),
    );
    for (const each of recorded) note(known, each, inUse);
    const { doomed } = decideCleanup([...known.values()], policy);
    await client.query('update model_checkpoints set doomed_at = now() where id = any($1::text[])', [
      doomed.map(({ id }) => id),
    ]);
    return doomed.map(({ path }) => path);
  });
}

interface LiveRow extends JudgedCheckpoint {
  readonly is_pinned: boolean;
  readonly is_unwanted: boolean;
}

async function lockLive(client: PoolClient, jobId: string): Promise<LiveRow[]> {
  const { rows } = await client.query<LiveRow>(
    `select id, path, step, metrics, size_bytes as "sizeBytes", pinned_at is not null as is_pinned,
      removal_requested_at is not null as is_unwanted
    from model_checkpoints where job_id = $1 and deleted_at is null
    order by id desc limit ${MAX_JUDGED} for update`,
    [jobId],
  );
  return rows;
}

/** A line of the attempt, as it will be stored when the attempt is reported. */
function note(
  known: Map<string, JudgedCheckpoint>,
  { path, step, metrics, sizeBytes, action }: ReportedCheckpoint,
  inUse: ReadonlySet<string>,
): void {
  const before = known.get(path);
  if (action === 'deleted') known.delete(path);
  else if (action === 'evaluated' && before !== undefined) {
    known.set(path, { ...before, metrics: { ...before.metrics, ...metrics } });
  } else if (action === 'saved') {
    const isProtected = inUse.has(path) || before?.isProtected === true;
    known.set(path, { id: before?.id ?? newId('ckp'), path, step, metrics, sizeBytes, isProtected });
  }
}
