import { type Effect, isRetried, nodeSnapshot, type PlannerEvent, triesUsed } from '@trainyard/dag';
import { nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';

/**
 * How many tries a stage had left that were not made, because another one could not have ended otherwise: a log
 * pattern, or the kind of its error, says so. Zero where that made no difference.
 */
export function triesLeftOut(
  tree: OwnedTree,
  cause: PlannerEvent,
  { node, error }: Extract<Effect, { type: 'node_status' }>,
): number {
  if (cause.type !== 'leaf_finished' || cause.isFinal !== true || cause.node !== node) return 0;
  if (nodeAt(tree, node).isGroup) return 0;
  const { retry } = stageAt(tree, node)!;
  if (retry === undefined || !isRetried(retry, cause.outcome, error ?? null)) return 0;
  return Math.max(0, retry.attempts - triesUsed(nodeSnapshot(tree.state, node)));
}
