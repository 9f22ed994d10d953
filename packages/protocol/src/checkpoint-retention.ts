import { newestFirst, rankCheckpoints } from './checkpoint-ranking.ts';
import type { ModelCheckpoint } from './model-checkpoints.ts';

/** Which checkpoints of a training job are kept. */
export interface KeepPolicy {
  readonly keepBest: number;
  readonly keepLast: number;
  readonly metric: string;
  readonly direction: 'min' | 'max';
  /** What becomes of those without a value of the metric. */
  readonly missingMetric: 'keep' | 'delete';
}

export type JudgedCheckpoint = Pick<ModelCheckpoint, 'id' | 'path' | 'step' | 'metrics' | 'sizeBytes'> & {
  /** Kept whatever the policy says: somebody has pinned it, or a training goes on from it. */
  readonly isProtected?: boolean | undefined;
  /** Somebody has asked for its removal: it goes, unless it is protected, and counts for nothing. */
  readonly isUnwanted?: boolean | undefined;
  /** Machine on which it was written, where that is not the agent's own. */
  readonly host?: string | undefined;
  /** Name of the agent that wrote it there. */
  readonly hostAgent?: string | undefined;
};

export interface CleanupDecision {
  /** Best first. */
  readonly best: readonly JudgedCheckpoint[];
  /** Those without a value of the metric: kept or not, they are told apart. */
  readonly unknown: readonly JudgedCheckpoint[];
  readonly kept: readonly JudgedCheckpoint[];
  readonly doomed: readonly JudgedCheckpoint[];
}

/**
 * Which checkpoints go: all but the best by the metric, the last by step, and the protected. One without a
 * value of the metric, or with one that is no finite number, is neither good nor bad; it stays unless
 * `missingMetric` says otherwise, and takes nobody's place. A protected one that is among the best or the last
 * takes its place there.
 */
export function decideCleanup(all: readonly JudgedCheckpoint[], policy: KeepPolicy): CleanupDecision {
  const checkpoints = all.filter(
    ({ isUnwanted, isProtected }) => isUnwanted !== true || isProtected === true,
  );
  const ranked = rankCheckpoints(checkpoints, policy);
  const known = new Set(ranked);
  const best = ranked.slice(0, policy.keepBest);
  const unknown = checkpoints.filter((each) => !known.has(each));
  const keep = new Set([
    ...best,
    ...newestFirst(checkpoints).slice(0, policy.keepLast),
    ...(policy.missingMetric === 'keep' ? unknown : []),
    ...checkpoints.filter(({ isProtected }) => isProtected === true),
  ]);
  return {
    best,
    unknown,
    kept: checkpoints.filter((each) => keep.has(each)),
    doomed: all.filter((each) => !keep.has(each)),
  };
}
