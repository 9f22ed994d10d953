import type { ModelCheckpoint, ResolvedCleanup } from '@trainyard/protocol';
import { newestFirst, rankCheckpoints } from '@trainyard/protocol/plain';

export type CleanupPolicy = Pick<
  ResolvedCleanup,
  'keepBest' | 'keepLast' | 'metric' | 'direction' | 'missingMetric'
>;

export type CleanupCheckpoint = Pick<ModelCheckpoint, 'id' | 'path' | 'step' | 'metrics' | 'sizeBytes'>;

export interface CleanupDecision {
  /** Best first. */
  readonly best: readonly CleanupCheckpoint[];
  /** Those without a value of the metric: kept or not, they are told apart. */
  readonly unknown: readonly CleanupCheckpoint[];
  readonly kept: readonly CleanupCheckpoint[];
  readonly doomed: readonly CleanupCheckpoint[];
}

/**
 * Which checkpoints go: all but the best by the metric and the last by step. One without a value of the
 * metric is neither good nor bad; it stays unless `missingMetric` says otherwise, and takes nobody's place.
 */
export function decideCleanup(
  checkpoints: readonly CleanupCheckpoint[],
  policy: CleanupPolicy,
): CleanupDecision {
  const ranked = rankCheckpoints(checkpoints, policy);
  const known = new Set(ranked);
  const best = ranked.slice(0, policy.keepBest);
  const unknown = checkpoints.filter((each) => !known.has(each));
  const keep = new Set([
    ...best,
    ...newestFirst(checkpoints).slice(0, policy.keepLast),
    ...(policy.missingMetric === 'keep' ? unknown : []),
  ]);
  return {
    best,
    unknown,
    kept: checkpoints.filter((each) => keep.has(each)),
    doomed: checkpoints.filter((each) => !keep.has(each)),
  };
}
