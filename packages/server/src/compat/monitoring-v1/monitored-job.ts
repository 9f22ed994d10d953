import { TrainyardError } from '@trainyard/protocol';
import type { Database } from '../../store/database.ts';
import { runsOfTrainingJob } from '../../store/training-job-runs.ts';
import { createTrainingJobStore } from '../../store/training-jobs.ts';
import { findLocalJob, type LocalJob } from '../training-v1/local-jobs.ts';

/** A job by the id of its run, of a root run with one job, or of a training job, or its name: its newest training. */
export async function findMonitoredJob({ kysely }: Database, id: string): Promise<LocalJob> {
  const job = await findLocalJob(kysely, id);
  if (job !== undefined) return job;
  const training = await createTrainingJobStore(kysely).find(id);
  const [newest] = await runsOfTrainingJob(kysely, training?.id ?? id, 1);
  const ofTraining = newest && (await findLocalJob(kysely, newest.runId));
  if (ofTraining === undefined) throw new TrainyardError('NOT_FOUND', `There is no job ${id}.`);
  return ofTraining;
}
