import { TrainyardError } from '@trainyard/protocol';
import type { Database } from '../../store/database.ts';
import { findLocalJob, type LocalJob } from '../training-v1/local-jobs.ts';

/** A job by the id of its run, of a root run with one job, or of a training job (its newest run). */
export async function findMonitoredJob({ kysely }: Database, id: string): Promise<LocalJob> {
  const job = await findLocalJob(kysely, id);
  if (job !== undefined) return job;
  const newest = await kysely
    .selectFrom('attempts')
    .select('run_id')
    .where('training_job_id', '=', id)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  const ofTraining = newest && (await findLocalJob(kysely, newest.run_id));
  if (ofTraining === undefined) throw new TrainyardError('NOT_FOUND', `There is no job ${id}.`);
  return ofTraining;
}
