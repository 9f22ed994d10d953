import { TrainyardError } from '@trainyard/protocol';
import type { Transaction } from 'kysely';
import type { Schema } from '../store/schema.ts';

/**
 * Locks a run, so that one after the other changes what is tracked of it. What a change depends on is read in later
 * statements: this one sees what was there before it waited.
 * @throws TrainyardError NOT_FOUND, CONFLICT while the run is deleted
 */
export async function lockTrackedRun(
  trx: Transaction<Schema>,
  runId: string,
): Promise<{ readonly experimentId: number }> {
  const run = await trx
    .selectFrom('tracked_runs')
    .select(['experiment_id', 'deleted_at'])
    .where('run_id', '=', runId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (run === undefined) throw noTrackedRun(runId);
  if (run.deleted_at !== null) throw runIsDeleted(runId);
  return { experimentId: run.experiment_id };
}

export function noTrackedRun(runId: string): TrainyardError {
  return new TrainyardError('NOT_FOUND', `Run with id=${runId} not found`);
}

export function runIsDeleted(runId: string): TrainyardError {
  const message = `The run ${runId} must be in the 'active' state. Current state is deleted.`;
  return new TrainyardError('CONFLICT', message);
}
