import { classed, type RunError } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Schema } from '../store/schema.ts';

/**
 * Asks the agent of an attempt to end it, as failed with this error. One that ends by itself before that
 * keeps its own end; the first error that was given counts.
 */
export async function stopAttempt(db: Kysely<Schema>, attemptId: string, error: RunError): Promise<void> {
  await sql`
    update attempts
    set stop_error = ${JSON.stringify(classed(error))}::jsonb, cancel_requested_at = coalesce(cancel_requested_at, now())
    where id = ${attemptId} and status in ('leased', 'running', 'paused')
      and stop_error is null and cancel_requested_at is null`.execute(db);
}
