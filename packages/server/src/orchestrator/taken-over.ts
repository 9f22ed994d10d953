import type { PlannerEvent } from '@trainyard/dag';
import type { JsonValue, Run } from '@trainyard/protocol';
import type { NodePlace } from '../rerun/kept-results.ts';
import { stagePath } from '../rerun/kept-stages.ts';
import type { Fact } from './facts.ts';
import { childrenOf, nodeAt, type OwnedTree } from './owned-tree.ts';
import { paramsOf } from './stage-scope.ts';
import type { TreeChanges } from './tree-changes.ts';

/** A result that is there already, so that a stage does not have to run. */
interface EarlierResult {
  /** The run that the result is taken from. */
  readonly from: string;
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

/** Takes in what an agent found out for the cache; the end of the leaf, where that is another run's result. */
export function takeReportedCache(
  changes: TreeChanges,
  { node, attempt, at, cache }: Extract<Fact, { kind: 'finished' }>,
): PlannerEvent | undefined {
  if (cache === undefined) return undefined;
  const run = changes.tree.runs[node]!;
  if (cache.kind === 'hit') {
    run.cacheKey = cache.key;
    return takeCached(changes, { node, attempt }, { ...cache, runId: cache.from }, at);
  }
  if (cache.kind === 'key') {
    run.cacheKey = cache.key;
    return undefined;
  }
  // Where nobody could read the files, what the submit said of them counts.
  if (cache.kind === 'unknown' && run.cacheKey !== undefined) return undefined;
  delete run.cacheKey;
  changes.addEvent(node, 'run.not_cached', at, { reason: cache.reason });
  return undefined;
}

/** Ends a leaf with the result that another run gave to the same question. */
export function takeCached(
  changes: TreeChanges,
  { node, attempt }: { readonly node: number; readonly attempt: number },
  { runId, outputs }: { readonly runId: string; readonly outputs: unknown },
  nowMs: number,
): PlannerEvent {
  const run = changes.tree.runs[node]!;
  run.cachedFrom = runId;
  changes.addEvent(node, 'run.cached', nowMs, { from: runId, key: run.cacheKey });
  const params = paramsOf(changes.tree, node);
  return takeResult(changes, node, attempt, { from: runId, outcome: 'completed', outputs, params });
}

function takeResult(
  changes: TreeChanges,
  node: number,
  attempt: number,
  { from, outcome, outputs, params }: EarlierResult,
): PlannerEvent {
  const run = changes.tree.runs[node]!;
  run.outputs = outputs;
  run.params = { ...params };
  // This try is none of this run's: its log and its metrics are those of the other run.
  run.attempt = attempt - 1;
  changes.taken.push({ node, from });
  changes.touch(node);
  return { type: 'leaf_finished', node, attempt, outcome };
}

/** Why a run ended as it did, where that is told by where its results are from. */
export function reasonOfTaken({ keptFrom, cachedFrom }: Run): 'kept' | 'cached' | null {
  if (keptFrom !== undefined) return 'kept';
  return cachedFrom === undefined ? null : 'cached';
}

/** Lets other runs use the result of a stage that has done its work, if it has a key. */
export function offerToOthers(changes: TreeChanges, node: number): void {
  const { tree } = changes;
  const run = tree.runs[node]!;
  if (run.cacheKey === undefined || run.status !== 'completed' || run.cachedFrom !== undefined) return;
  changes.cacheEntries.push({
    key: run.cacheKey,
    run_id: run.id,
    root_id: tree.rootId,
    pipeline: tree.definition.name,
    stage: stagePath(run.path),
  });
}

/** How a node is found in an earlier run; null for what is around the root. */
export function placeOf(tree: OwnedTree, node: number): NodePlace | null {
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
