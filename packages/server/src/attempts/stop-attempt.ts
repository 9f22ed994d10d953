import { classed, type RunError } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Schema } from '../store/schema.ts';

/** Code of an end that was asked for because others are better: no failure. */
export const ENDED_EARLY = 'ended_early';

/**
 * Asks the agent of an attempt to end it, as failed with this error. One that ends by itself before that
 * keeps its own end; the first error that was given counts.
 */
export function stopAttempt(db: Kysely<Schema>, attemptId: string, error: RunError): Promise<void> {
  return askForEnd(db, attemptId, classed(error));
}

/** As `stopAttempt`, but it ends `stopped`, which counts as success. */
export function endEarly(db: Kysely<Schema>, attemptId: string, message: string): Promise<void> {
  return askForEnd(db, attemptId, { code: ENDED_EARLY, message });
}

async function askForEnd(
  db: Kysely<Schema>,
  attemptId: string,
  why: { readonly code: string; readonly message: string },
): Promise<void> {
  await sql`
    update attempts
    set stop_error = ${JSON.stringify(why)}::jsonb, cancel_requested_at = coalesce(cancel_requested_at, now())
    where id = ${attemptId} and status in ('leased', 'running', 'paused')
      and stop_error is null and cancel_requested_at is null`.execute(db);
}
