import type { ModelCheckpoint } from '@trainyard/protocol';
import { describe, expect, it } from 'vitest';
import { toJobCheckpoints } from './job-checkpoints.ts';

const checkpoint = (step: number, metrics: Record<string, number>): ModelCheckpoint => ({
  id: `ckp_${step}`,
  jobId: 'job_a',
  runId: 'run_a',
  stage: 'train',
  path: `/c/${step}`,
  step,
  epoch: null,
  metrics,
  sizeBytes: 1,
  sha256: null,
  pinnedAt: null,
  removalRequestedAt: null,
  deletedAt: null,
  createdAt: '2026-01-01T00:00:00.000Z',
});

const bestOf = (
  checkpoints: readonly ModelCheckpoint[],
  retention?: { readonly metric: string; readonly direction: 'min' | 'max' },
) =>
  toJobCheckpoints(checkpoints, retention)
    .filter((each) => each.is_best)
    .map(({ step }) => step);

describe('the best checkpoint of a job', () => {
  const byAccuracy = [1, 2, 3].map((step) => checkpoint(step, { acc: [0.1, 0.9, 0.5][step - 1]! }));

  it('goes by the metric and the direction that it keeps its best ones by', () => {
    expect(bestOf(byAccuracy, { metric: 'acc', direction: 'max' })).toEqual([2]);
    expect(bestOf(byAccuracy, { metric: 'acc', direction: 'min' })).toEqual([1]);
    expect(bestOf(byAccuracy, { metric: 'f1', direction: 'max' })).toEqual([]);
  });

  it('goes by the loss where nothing is said', () => {
    expect(bestOf(byAccuracy)).toEqual([]);
    const byLoss = [
      checkpoint(1, { train_loss: 1, eval_loss: 3 }),
      checkpoint(2, { train_loss: 2, eval_loss: 2 }),
    ];
    expect(bestOf(byLoss)).toEqual([2]);
    expect(bestOf([checkpoint(1, { train_loss: 1 }), checkpoint(2, { train_loss: 2 })])).toEqual([1]);
  });
});
