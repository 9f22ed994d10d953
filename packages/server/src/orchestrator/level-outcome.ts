import { nodeSnapshot } from '@trainyard/dag';
import type { Hook } from '@trainyard/protocol';
import { childrenOf, nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';

/** How the stages of a level that are no hooks ended, as the level itself will unless a hook fails. */
export interface LevelOutcome {
  readonly status: 'completed' | 'failed' | 'timed_out' | 'cancelled';
  /** Why it did not complete; empty when it did. */
  readonly error: string;
  /** Path of the stage where that began; empty when it was none. */
  readonly stage: string;
}

/** For hooks only: every other stage of the level has ended. */
export function levelOutcome(tree: OwnedTree, group: number): LevelOutcome {
  const { stopReason, reason, error } = nodeSnapshot(tree.state, group);
  const cause = { error: error?.message ?? reason ?? '', stage: error?.path ?? '' };
  if (stopReason === 'deadline') return { status: 'timed_out', ...cause };
  if (stopReason !== null) return { status: 'cancelled', ...cause };
  if (error !== null) return { status: 'failed', ...cause };
  // A fail-fast further out leaves stages undone in here without an error of this level.
  const isCutShort = childrenOf(tree, group).some((child) => {
    const { status, reason: why } = nodeSnapshot(tree.state, child);
    const isHook = stageAt(tree, child)?.hook !== undefined && nodeAt(tree, child).item === null;
    return !isHook && why === 'fail_fast' && (status === 'skipped' || status === 'cancelled');
  });
  return { status: isCutShort ? 'cancelled' : 'completed', error: isCutShort ? 'fail_fast' : '', stage: '' };
}

export function isHookNeeded(hook: Hook, { status }: LevelOutcome): boolean {
  switch (hook) {
    case 'always':
      return true;
    case 'onCancel':
      return status === 'cancelled';
    case 'onFailure':
      return status === 'failed' || status === 'timed_out';
    default:
      return hook satisfies never;
  }
}
