import type { PlannerEvent } from '@trainyard/dag';
import type { JsonValue, Run } from '@trainyard/protocol';
import type { NodePlace } from '../rerun/kept-results.ts';
import { childrenOf, nodeAt, type OwnedTree } from './owned-tree.ts';
import type { TreeChanges } from './tree-changes.ts';

/** A result that is there already, so that a stage does not have to run. */
interface EarlierResult {
  /** The run that the result is taken from, and the one that produced it. */
  readonly from: string;
  readonly producedBy: string;
  readonly outcome: 'completed' | 'stopped';
  readonly outputs: unknown;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Ends a leaf that a re-run keeps with what the earlier run gave; undefined for one that has to run. */
export function takeKept(
  changes: TreeChanges,
  node: number,
  attempt: number,
  nowMs: number,
): PlannerEvent | undefined {
  const { tree } = changes;
  const kept = attempt > 1 ? undefined : tree.rerun?.results.find(placeOf(tree, node)!);
  if (kept === undefined) return undefined;
  tree.runs[node]!.keptFrom = kept.producedBy;
  changes.addEvent(node, 'run.kept', nowMs, { from: kept.producedBy });
  return takeResult(changes, node, attempt, kept);
}

function takeResult(
  changes: TreeChanges,
  node: number,
  attempt: number,
  result: EarlierResult,
): PlannerEvent {
  const run = changes.tree.runs[node]!;
  run.outputs = result.outputs;
  run.params = { ...result.params };
  // No try of this run was made: its logs and metrics are those of the other run.
  run.attempt = 0;
  changes.taken.push({ node, from: result.from });
  changes.touch(node);
  return { type: 'leaf_finished', node, attempt, outcome: result.outcome };
}

/** Why a run ended as it did, where that is told by where its results are from. */
export function reasonOfTaken({ keptFrom }: Run): 'kept' | null {
  return keptFrom === undefined ? null : 'kept';
}

function placeOf(tree: OwnedTree, node: number): NodePlace | null {
  if (node < 0) return null;
  const { parent, name, item } = nodeAt(tree, node);
  return {
    node,
    parent: placeOf(tree, parent),
    name,
    item: item === null ? null : { index: item, values: () => itemValues(tree, parent) },
  };
}

function itemValues(tree: OwnedTree, foreach: number): JsonValue[] {
  return childrenOf(tree, foreach).map((child) => tree.runs[child]!.item!.value);
}
