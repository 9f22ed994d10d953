import { type Run, TrainyardError } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Schema } from './schema.ts';

/** The id of a stage by its path below a run. @throws TrainyardError NOT_FOUND */
export async function stageInside(
  db: Kysely<Schema>,
  { id, rootId, path }: Pick<Run, 'id' | 'rootId' | 'path'>,
  stage: string,
): Promise<string> {
  const whole = path === '' ? stage : `${path}/${stage}`;
  const { rows } = await sql<{ id: string }>`
    select id from runs where root_id = ${rootId} and path = ${whole}`.execute(db);
  if (rows[0] === undefined) throw new TrainyardError('NOT_FOUND', `Run ${id} has no stage "${stage}".`);
  return rows[0].id;
}
