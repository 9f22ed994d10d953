import { TrainyardError } from '@trainyard/protocol';
import type { Pool } from 'pg';
import type { ArtifactOwner } from './artifacts.ts';

/** The run whose artifacts are read: that whose results it took over, if it did. @throws TrainyardError NOT_FOUND */
export async function findReadOwner(pool: Pool, runId: string): Promise<ArtifactOwner> {
  const { id, root_id, producer } = await findRun(pool, runId);
  return { id: producer ?? id, rootId: root_id };
}

/** @throws TrainyardError NOT_FOUND, CONFLICT when it took over the results of another run */
export async function findWriteOwner(pool: Pool, runId: string): Promise<ArtifactOwner> {
  const { id, root_id: rootId, producer } = await findRun(pool, runId);
  if (producer === null) return { id, rootId };
  throw new TrainyardError(
    'CONFLICT',
    `Run ${id} took over the results of ${producer}, and has its artifacts; write to that run.`,
  );
}

async function findRun(
  pool: Pool,
  runId: string,
): Promise<{ readonly id: string; readonly root_id: string; readonly producer: string | null }> {
  const { rows } = await pool.query<{ id: string; root_id: string; producer: string | null }>(
    'select id, root_id, coalesce(kept_from, cached_from) as producer from runs where id = $1',
    [runId],
  );
  if (rows[0] === undefined) throw new TrainyardError('NOT_FOUND', `There is no run ${runId}.`);
  return rows[0];
}
