import {
  childrenOf as childNodesOf,
  type DagState,
  initialState,
  nodeOf,
  type Plan,
  type PlanNode,
  selectNodes,
} from '@trainyard/dag';
import {
  type CacheBasis,
  newId,
  type PipelineDefinition,
  type Run,
  type RunStatus,
  type StageDefinition,
  TrainyardError,
} from '@trainyard/protocol';
import type { Rerun } from '../rerun/rerun.ts';
import { stageRun } from './stage-run.ts';

/** A run tree in the memory of the server that owns it. Its rows in the store say the same after each tick. */
export interface OwnedTree {
  readonly rootId: string;
  /** Fencing number of this ownership. */
  readonly epoch: number;
  readonly definition: PipelineDefinition;
  /** The nodes of the definition; those of items are reached by `nodeAt` like all others. */
  readonly plan: Plan;
  /** Stages by their number in the definition (`PlanNode.source`); null for the root. */
  readonly stages: readonly (StageDefinition | null)[];
  readonly baseDir: string | null;
  /** Of a run that does an earlier one again. */
  readonly rerun: Rerun | null;
  /** Paths of the stages that the run is limited to; null for all. */
  readonly only: readonly string[] | null;
  /** What the keys of cached stages are made from; null when it is not known. */
  readonly cacheBasis: CacheBasis | null;
  /** No results of other runs are used. */
  readonly noCache: boolean;
  state: DagState;
  /** The row of each node, as last written or about to be written. Grows when a foreach gets its items. */
  readonly runs: Run[];
  /** Leaves by status. */
  readonly counts: Partial<Record<RunStatus, number>>;
  eventSeq: number;
}

/** Builds the tree of a run that was just submitted: every row `pending`, nothing decided yet. */
export function newTree(input: {
  readonly definition: PipelineDefinition;
  readonly plan: Plan;
  readonly params: Record<string, unknown>;
  readonly baseDir: string | null;
  readonly rerun: Rerun | null;
  readonly only?: readonly string[] | undefined;
  readonly cacheBasis?: CacheBasis | undefined;
  readonly noCache?: boolean | undefined;
  readonly nowMs: number;
}): OwnedTree {
  const { definition, nowMs } = input;
  const rootId = newId('run', nowMs);
  const only = input.only ?? null;
  const plan = planOf(input.plan, { seed: rootId, only });
  const stages = stagesBySource(definition);
  const tree: OwnedTree = {
    rootId,
    epoch: 1,
    definition,
    plan,
    stages,
    baseDir: input.baseDir,
    rerun: input.rerun,
    only,
    cacheBasis: input.cacheBasis ?? null,
    noCache: input.noCache ?? false,
    state: initialState(plan),
    runs: [],
    counts: {},
    eventSeq: 0,
  };
  addRuns(tree, plan.nodes, nowMs);
  tree.runs[0]!.params = input.params;
  return tree;
}

/** Adds the rows of nodes that are new, in the order of their numbers. */
export function addRuns(tree: OwnedTree, nodes: readonly PlanNode[], nowMs: number): void {
  for (const node of nodes) {
    const around = node.index === 0 ? null : stageAt(tree, node.parent);
    const run = stageRun(tree, { node, level: around?.pipeline ?? tree.definition, nowMs });
    tree.runs.push(run);
    if (isCounted(tree, node.index)) countLeaf(tree, run.status, 1);
  }
}

/** Leaves are counted by status, and a foreach as one of them until it has items. */
export function isCounted(tree: OwnedTree, index: number): boolean {
  const { isGroup, foreach } = nodeAt(tree, index);
  return !isGroup || (foreach !== null && childrenOf(tree, index).length === 0);
}

/** The node with this number, whether of the definition or of an item. */
export function nodeAt(tree: OwnedTree, index: number): PlanNode {
  return nodeOf(tree.plan, tree.state, index);
}

/** The stage that a node is, or is a copy of; null for the root. */
export function stageAt(tree: OwnedTree, index: number): StageDefinition | null {
  return tree.stages[nodeAt(tree, index).source] ?? null;
}

/** Numbers of the direct children: stages in their order, or the items of a foreach. */
export function childrenOf(tree: OwnedTree, index: number): readonly number[] {
  return childNodesOf(tree.plan, tree.state, index);
}

/**
 * The plan of one run: its jitter is that of no other run, and the same after a restart; it leaves out what
 * the run is not to have.
 * @throws TrainyardError INVALID_REQUEST when there is no such stage
 */
export function planOf(
  plan: Plan,
  { seed, only }: { readonly seed: string; readonly only: readonly string[] | null },
): Plan {
  const own = { ...plan, seed };
  if (only === null) return own;
  const selection = selectNodes(own, only);
  if (selection.ok) return selection.plan;
  throw new TrainyardError('INVALID_REQUEST', selection.faults.join('\n'), {
    details: { faults: selection.faults },
  });
}

/** The stages of a definition in preorder, the root first. */
export function stagesBySource(definition: PipelineDefinition): (StageDefinition | null)[] {
  const stages: (StageDefinition | null)[] = [null];
  const open: { list: readonly StageDefinition[]; next: number }[] = [{ list: definition.stages, next: 0 }];
  while (open.length > 0) {
    const top = open[open.length - 1]!;
    const stage = top.list[top.next];
    if (stage === undefined) {
      open.pop();
      continue;
    }
    top.next += 1;
    stages.push(stage);
    if (stage.pipeline !== undefined) open.push({ list: stage.pipeline.stages, next: 0 });
  }
  return stages;
}

/** Counts a leaf in or out of a status. */
export function countLeaf({ counts }: Pick<OwnedTree, 'counts'>, status: RunStatus, by: 1 | -1): void {
  const count = (counts[status] ?? 0) + by;
  if (count > 0) counts[status] = count;
  else delete counts[status];
}
