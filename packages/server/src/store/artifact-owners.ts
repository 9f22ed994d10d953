import { TrainyardError } from '@trainyard/protocol';
import type { Pool } from 'pg';
import type { ArtifactOwner } from './artifacts.ts';

/** The run whose artifacts are read: that whose results it took over, if it did. @throws TrainyardError NOT_FOUND */
export async function findReadOwner(pool: Pool, runId: string): Promise<ArtifactOwner> {
  const { id, root_id, producer } = await findRun(pool, runId);
  return { id: producer ?? id, rootId: root_id };
}

/** @throws TrainyardError NOT_FOUND, CONFLICT when it is deleted, or took over the results of another run */
export async function findWriteOwner(pool: Pool, runId: string): Promise<ArtifactOwner> {
  const { id, root_id: rootId, producer, is_deleted: isDeleted } = await findRun(pool, runId);
  if (isDeleted) {
    throw new TrainyardError(
      'CONFLICT',
      `The run ${id} must be in the 'active' state, and it is deleted; restore it, and write to it then.`,
    );
  }
  if (producer === null) return { id, rootId };
  throw new TrainyardError(
    'CONFLICT',
    `Run ${id} took over the results of ${producer}, and has its artifacts; write to that run.`,
  );
}

/** A logged model, whose files are beside the runs. @throws TrainyardError NOT_FOUND */
export async function findModelOwner(pool: Pool, modelId: string): Promise<ArtifactOwner> {
  const { rows } = await pool.query('select 1 from logged_models where id = $1', [modelId]);
  if (rows.length > 0) return { id: modelId, rootId: null };
  throw new TrainyardError('NOT_FOUND', `There is no logged model ${modelId}.`);
}

interface FoundRun {
  readonly id: string;
  readonly root_id: string;
  /** Whose results it took over; null when it has its own. */
  readonly producer: string | null;
  readonly is_deleted: boolean;
}

async function findRun(pool: Pool, runId: string): Promise<FoundRun> {
  const { rows } = await pool.query<FoundRun>(
    `select r.id, r.root_id, coalesce(r.kept_from, r.cached_from) as producer, x.deleted_at is not null as is_deleted
     from runs r left join tracked_runs x on x.run_id = r.id where r.id = $1`,
    [runId],
  );
  if (rows[0] === undefined) throw new TrainyardError('NOT_FOUND', `There is no run ${runId}.`);
  return rows[0];
}
