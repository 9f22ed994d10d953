import { TrainyardError } from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import type { Schema } from '../store/schema.ts';

/** @throws TrainyardError NOT_FOUND */
export async function modelIdOf(db: Kysely<Schema>, name: string): Promise<number> {
  const found = await db
    .selectFrom('registered_models')
    .select('id')
    .where('name', '=', name)
    .executeTakeFirst();
  if (found === undefined) throw noModel(name);
  return found.id;
}

export function noModel(name: string): TrainyardError {
  return new TrainyardError('NOT_FOUND', `Registered Model with name=${name} not found`);
}
