import { TrainyardError } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { newSecretToken } from '../auth/secret-token.ts';
import type { Schema } from '../store/schema.ts';

/**
 * Makes the token with which the program of an attempt reports by itself. It is the attempt's: it is worth nothing
 * when the lease is over, nor soon after the end. An earlier one is replaced, for its answer may have been lost.
 * @throws TrainyardError INVALID_REQUEST when its stage asks for none
 */
export async function makeJobToken(db: Kysely<Schema>, attemptId: string): Promise<string> {
  const { token, hash } = newSecretToken('tyj');
  const { rows } = await sql`
    update attempts set job_token_hash = ${hash}
    where id = ${attemptId} and (spec ->> 'jobToken')::boolean returning id`.execute(db);
  if (rows.length > 0) return token;
  throw new TrainyardError(
    'INVALID_REQUEST',
    `The stage of attempt ${attemptId} asks for no token; write "jobToken: true" in it.`,
  );
}
