import { type JobCheckpoint, type ModelCheckpoint, newestFirst, rankCheckpoints } from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import { createCheckpointReads } from '../../store/model-checkpoints.ts';
import type { Schema } from '../../store/schema.ts';
import type { LocalJob } from './local-jobs.ts';

const MAX_LISTED = 1000;

/** Checkpoints whose files are there, newest first: of the training job that it belongs to, else of its run. */
export async function checkpointsOf(db: Kysely<Schema>, job: LocalJob): Promise<JobCheckpoint[]> {
  const reads = createCheckpointReads(db);
  const query = { deleted: false, limit: MAX_LISTED };
  const trainingJobId = job.attempt?.trainingJobId ?? null;
  return toJobCheckpoints(
    trainingJobId === null ? await reads.ofRun(job.runId, query) : await reads.ofJob(trainingJobId, query),
  );
}

/** The best by evaluation loss, or by training loss where nothing was evaluated, and the latest are marked. */
export function toJobCheckpoints(checkpoints: readonly ModelCheckpoint[]): JobCheckpoint[] {
  const byLoss = (metric: string) => rankCheckpoints(checkpoints, { metric, direction: 'min' })[0];
  const best = byLoss('eval_loss') ?? byLoss('train_loss');
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
