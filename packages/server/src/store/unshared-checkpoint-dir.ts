import { posix } from 'node:path';
import { type TrainingJobDefinition, TrainyardError } from '@trainyard/protocol';
import { sql, type Transaction } from 'kysely';
import type { Schema } from './schema.ts';

/** A directory for checkpoints, as a job gives it. */
interface GivenDirectory {
  readonly checkpointDir: string | null;
  readonly baseDir: string | null;
}

/**
 * Lets no two training jobs be made with one `checkpointDir`: each would write over the files of the other, and
 * clean them up. Paths are compared as they are written, since only the machines that run jobs know where links
 * lead. A job whose directory stays what it was is not looked at. Changes wait for each other until their end.
 * @throws TrainyardError CONFLICT naming the other job
 */
export async function keepCheckpointDirUnshared(
  trx: Transaction<Schema>,
  { name, checkpointDir }: Pick<TrainingJobDefinition, 'name' | 'checkpointDir'>,
  baseDir: string | null,
): Promise<void> {
  const wanted = resolved({ checkpointDir: checkpointDir ?? null, baseDir });
  if (wanted === undefined) return;
  await sql`select pg_advisory_xact_lock(hashtextextended('trainyard jobs ' || current_schema(), 0))`.execute(
    trx,
  );
  const { rows } = await sql<GivenDirectory & { name: string }>`
    select name, definition ->> 'checkpointDir' as "checkpointDir", base_dir as "baseDir"
    from training_jobs where definition ->> 'checkpointDir' is not null order by name`.execute(trx);
  const sharing = rows.filter((row) => resolved(row) === wanted);
  if (sharing.length === 0 || sharing.some((row) => row.name === name)) return;
  const other = sharing[0]!.name;
  throw new TrainyardError(
    'CONFLICT',
    `The "checkpointDir" of training job "${name}" is ${wanted}, which is that of training job "${other}": each would write over the checkpoints of the other, and delete them. Give it another one, such as "${checkpointDir!.replace(/\/+$/, '')}-${name}".`,
    { details: { job: other, checkpointDir: wanted } },
  );
}

/** Undefined when it is none, or relative to nothing: then each attempt has its own. */
function resolved({ checkpointDir, baseDir }: GivenDirectory): string | undefined {
  if (checkpointDir === null) return undefined;
  const path = posix.join(checkpointDir.startsWith('/') ? '/' : (baseDir ?? ''), checkpointDir);
  if (!path.startsWith('/')) return undefined;
  return path === '/' ? path : path.replace(/\/+$/, '');
}
