import type { RunStatus } from '@trainyard/protocol';
import { instantText } from '../store/instant-text.ts';
import { childrenOf, nodeAt, type OwnedTree } from './owned-tree.ts';
import { offerToOthers } from './taken-over.ts';
import type { TreeChanges } from './tree-changes.ts';

/** Notes that a run has ended, otherwise than by being skipped, and tells it. */
export function endRun(changes: TreeChanges, node: number, status: RunStatus, atMs: number): void {
  const endedMs = noteEnd(changes, node, status, atMs);
  offerToOthers(changes, node);
  changes.addEvent(node, 'run.finished', endedMs, finishedData(changes.tree, node, status));
}

/** When it ended: `atMs`, but not before it began nor before what is in it ended. Epoch ms. */
export function noteEnd(changes: TreeChanges, node: number, status: RunStatus, atMs: number): number {
  const { tree } = changes;
  const run = tree.runs[node]!;
  changes.setStatus(node, status);
  // Instants of this form are in order as texts. Ends are not always heard of in their order.
  let endedAt = instantText(atMs);
  if (run.startedAt !== null && run.startedAt > endedAt) endedAt = run.startedAt;
  for (const child of nodeAt(tree, node).isGroup ? childrenOf(tree, node) : []) {
    const end = tree.runs[child]!.endedAt;
    if (end !== null && end > endedAt) endedAt = end;
  }
  run.endedAt = endedAt;
  return Date.parse(endedAt);
}

function finishedData(tree: OwnedTree, node: number, status: RunStatus): Record<string, unknown> {
  const run = tree.runs[node]!;
  const durationMs =
    run.startedAt === null || run.endedAt === null
      ? null
      : Date.parse(run.endedAt) - Date.parse(run.startedAt);
  return { status, durationMs, error: run.error, reason: run.reason, attempt: run.attempt };
}
