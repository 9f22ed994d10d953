import type { ClientBase, Pool } from 'pg';
import { POINT_STREAMS, type StoredStream } from '../ingest/stored-stream.ts';
import type { RemovalReason } from './stream-schema.ts';

/** What retention removes, with the column of `trees` that says that it has. */
const KINDS = {
  logs: { column: 'logs_removed_at', streams: ['log'] },
  metricFiles: { column: 'metric_files_removed_at', streams: POINT_STREAMS },
} as const satisfies Record<string, { column: string; streams: readonly StoredStream[] }>;

export type RemovableKind = keyof typeof KINDS;

const ATTEMPTS_PER_PAGE = 1000;
const CHUNKS_PER_DELETE = 500;

/** Runs `work` unless another server is at it: then nothing is done. */
export async function asOnlyServer(pool: Pool, work: (client: ClientBase) => Promise<void>): Promise<void> {
  const client = await pool.connect();
  const key = `hashtextextended('trainyard retention ' || current_schema(), 0)`;
  let failure: Error | undefined;
  try {
    const { rows } = await client.query<{ got: boolean }>(`select pg_try_advisory_lock(${key}) as got`);
    if (rows[0]?.got !== true) return;
    try {
      await work(client);
    } finally {
      await client.query(`select pg_advisory_unlock(${key})`);
    }
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    client.release(failure);
  }
}

/** Root runs that ended before an instant, the oldest first, of which nothing was removed and nobody keeps. */
export async function oldestTrees(
  client: ClientBase,
  kind: RemovableKind,
  endedBefore: Date,
  limit: number,
): Promise<string[]> {
  const { rows } = await client.query<{ root_id: string }>(
    `select root_id from trees
     where ended_at is not null and ${KINDS[kind].column} is null and kept_at is null and ended_at < $1
     order by ended_at limit $2`,
    [endedBefore, limit],
  );
  return rows.map((row) => row.root_id);
}

/**
 * Removes the chunks of such streams of a tree. Readers are told from the first moment on; a server that ends in
 * between is followed by one that removes the rest.
 * @param maxChunks after about so many it ends, although there are more
 * @returns bytes of the streams that were marked, how many chunks went, and whether all have
 */
export async function removeStreams(
  client: ClientBase,
  tree: {
    readonly kind: RemovableKind;
    readonly rootId: string;
    readonly because: RemovalReason;
    readonly maxChunks: number;
  },
): Promise<{ bytes: number; chunks: number; isDone: boolean }> {
  const { column, streams } = KINDS[tree.kind];
  const removed = { bytes: 0, chunks: 0 };
  for (let after = ''; ; ) {
    const { rows: page } = await client.query<{ id: string }>(
      `select a.id from runs r join attempts a on a.run_id = r.id
       where r.root_id = $1 and a.id > $2 order by a.id limit ${ATTEMPTS_PER_PAGE}`,
      [tree.rootId, after],
    );
    const ids = page.map(({ id }) => id);
    const { rows: marked } = await client.query<{ size: number }>(
      `update streams set removed_at = now(), removed_because = $3
       where attempt_id = any($1) and stream = any($2) and removed_at is null and size > 0 returning size`,
      [ids, streams, tree.because],
    );
    removed.bytes += marked.reduce((sum, { size }) => sum + size, 0);
    for (let count = CHUNKS_PER_DELETE; count === CHUNKS_PER_DELETE; removed.chunks += count) {
      if (removed.chunks >= tree.maxChunks) return { ...removed, isDone: false };
      count = await deleteChunks(client, ids, streams);
    }
    after = ids.at(-1) ?? '';
    if (ids.length < ATTEMPTS_PER_PAGE) break;
  }
  await client.query(`update trees set ${column} = now() where root_id = $1`, [tree.rootId]);
  return { ...removed, isDone: true };
}

async function deleteChunks(
  client: ClientBase,
  attemptIds: readonly string[],
  streams: readonly StoredStream[],
): Promise<number> {
  const { rowCount } = await client.query(
    `delete from stream_chunks where (attempt_id, stream, "offset") in (
       select attempt_id, stream, "offset" from stream_chunks
       where attempt_id = any($1) and stream = any($2) limit ${CHUNKS_PER_DELETE})`,
    [attemptIds, streams],
  );
  return rowCount ?? 0;
}

/** Bytes of all logs whose chunks are stored. Reads through all streams, so it is not asked often. */
export async function storedLogBytes(client: ClientBase): Promise<number> {
  const { rows } = await client.query<{ bytes: number }>(
    `select coalesce(sum(size), 0)::int8 as bytes from streams where stream = 'log' and removed_at is null`,
  );
  return rows[0]?.bytes ?? 0;
}

/** Forgets attempts of deleted runs that no agent has asked about for so long. */
export async function forgetDeletedAttempts(client: ClientBase, deletedBefore: Date): Promise<void> {
  await client.query(
    `delete from deleted_attempts where attempt_id in (
       select attempt_id from deleted_attempts where deleted_at < $1 order by deleted_at limit 10000)`,
    [deletedBefore],
  );
}
