import { nodeSnapshot } from '@trainyard/dag';
import type { Hook } from '@trainyard/protocol';
import { childrenOf, nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';

/** How the stages of a level that are no hooks ended, as the level itself will unless a hook fails. */
export interface LevelOutcome {
  readonly status: 'completed' | 'failed' | 'timed_out' | 'cancelled';
  /** Why it did not complete; empty when it did. */
  readonly error: string;
  /**
   * Path of the stage where that began; empty when it was none. When a deadline passed, the stages that had begun
   * and not ended by then, joined by ", ".
   */
  readonly stage: string;
}

/** Stages that `outcome.stage` names when a deadline passed; the others are told as "and others". */
const MAX_NAMED_STAGES = 20;

/** For hooks only: every other stage of the level has ended. */
export function levelOutcome(tree: OwnedTree, group: number): LevelOutcome {
  const { stopReason, reason, error } = nodeSnapshot(tree.state, group);
  const cause = { error: error?.message ?? reason ?? '', stage: error?.path ?? '' };
  if (stopReason === 'deadline') {
    // A stage that had failed before is the cause, and the deadline only made an end of the rest.
    const stage = error?.code === 'deadline' ? cutShortByDeadline(tree, group) : cause.stage;
    return { status: 'timed_out', ...cause, stage };
  }
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

function cutShortByDeadline(tree: OwnedTree, group: number): string {
  const paths: string[] = [];
  const open = [...childrenOf(tree, group)].reverse();
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const { stopReason, status, error } = nodeSnapshot(tree.state, node);
    const hadBegun = stopReason === 'deadline' || (status === 'timed_out' && error?.code === 'deadline');
    if (!hadBegun) continue;
    if (nodeAt(tree, node).isGroup) open.push(...[...childrenOf(tree, node)].reverse());
    else if (paths.length === MAX_NAMED_STAGES) return `${paths.join(', ')} and others`;
    else paths.push(tree.runs[node]!.path);
  }
  return paths.join(', ');
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
