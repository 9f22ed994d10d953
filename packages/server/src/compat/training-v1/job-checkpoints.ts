import {
  type JobCheckpoint,
  type ModelCheckpoint,
  newestFirst,
  rankCheckpoints,
  type TrainingJob,
} from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import { createCheckpointReads } from '../../store/model-checkpoints.ts';
import type { Schema } from '../../store/schema.ts';
import { createTrainingJobStore } from '../../store/training-jobs.ts';
import type { LocalJob } from './local-jobs.ts';

const MAX_LISTED = 1000;

/** Checkpoints whose files are there, newest first: of the training job that it belongs to, else of its run. */
export async function checkpointsOf(db: Kysely<Schema>, job: LocalJob): Promise<JobCheckpoint[]> {
  const reads = createCheckpointReads(db);
  const query = { deleted: false, limit: MAX_LISTED };
  const trainingJobId = job.attempt?.trainingJobId ?? null;
  if (trainingJobId === null) {
    return toJobCheckpoints(await reads.ofRun({ ...job, id: job.runId }, query), undefined);
  }
  const [checkpoints, trainingJob] = await Promise.all([
    reads.ofJob(trainingJobId, query),
    createTrainingJobStore(db).find(trainingJobId),
  ]);
  return toJobCheckpoints(checkpoints, trainingJob?.retention);
}

/**
 * The latest and the best are marked: the best by the metric and direction that the job keeps its best ones by, else
 * by evaluation loss, or by training loss where nothing was evaluated.
 */
export function toJobCheckpoints(
  checkpoints: readonly ModelCheckpoint[],
  retention: Pick<NonNullable<TrainingJob['retention']>, 'metric' | 'direction'> | undefined,
): JobCheckpoint[] {
  const { metric, direction } = retention ?? { metric: 'eval_loss', direction: 'min' };
  const bestBy = (name: string) => rankCheckpoints(checkpoints, { metric: name, direction })[0];
  const best = bestBy(metric) ?? (metric === 'eval_loss' ? bestBy('train_loss') : undefined);
  const sorted = newestFirst(checkpoints);
  return sorted.map((checkpoint) => ({
    id: checkpoint.id,
    path: checkpoint.path,
    epoch: checkpoint.epoch,
    step: checkpoint.step,
    train_loss: checkpoint.metrics['train_loss'] ?? null,
    eval_loss: checkpoint.metrics['eval_loss'] ?? null,
    size: checkpoint.sizeBytes,
    sha256: checkpoint.sha256,
    is_best: checkpoint.id === best?.id,
    is_latest: checkpoint.id === sorted[0]?.id,
    is_pinned: checkpoint.pinnedAt !== null,
    created_at: checkpoint.createdAt,
  }));
}
