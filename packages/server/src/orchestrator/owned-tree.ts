import { type DagState, initialState, type Plan } from '@trainyard/dag';
import {
  newId,
  type PipelineDefinition,
  type Run,
  type RunStatus,
  type StageDefinition,
} from '@trainyard/protocol';

/** A run tree in the memory of the server that owns it. Its rows in the store say the same after each tick. */
export interface OwnedTree {
  readonly rootId: string;
  /** Fencing number of this ownership. */
  readonly epoch: number;
  readonly definition: PipelineDefinition;
  readonly plan: Plan;
  /** The stage of each node; null for the root. */
  readonly stages: readonly (StageDefinition | null)[];
  readonly baseDir: string | null;
  state: DagState;
  /** The row of each node, as last written or about to be written. */
  readonly runs: readonly Run[];
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
  readonly nowMs: number;
}): OwnedTree {
  const { definition } = input;
  const createdAt = new Date(input.nowMs).toISOString();
  const ids = input.plan.nodes.map(() => newId('run', input.nowMs));
  const rootId = ids[0]!;
  const plan = planOf(input.plan, rootId);
  const stages = stagesByNode(definition, plan);
  const runs = plan.nodes.map((node): Run => {
    const stage = stages[node.index] ?? null;
    return {
      id: ids[node.index]!,
      rootId,
      parentId: node.parent < 0 ? null : ids[node.parent]!,
      kind: node.isGroup ? 'pipeline' : 'job',
      name: node.index === 0 ? definition.name : node.name,
      path: node.path,
      depth: node.depth,
      index: node.index,
      status: 'pending',
      reason: null,
      error: null,
      params: node.index === 0 ? input.params : {},
      outputs: null,
      dependsOn: stage === null ? [] : [...stage.dependsOn],
      attempt: 0,
      createdAt,
      queuedAt: null,
      startedAt: null,
      endedAt: null,
    };
  });
  const state = initialState(plan);
  return {
    rootId,
    epoch: 1,
    definition,
    plan,
    stages,
    baseDir: input.baseDir,
    state,
    runs,
    counts: countLeaves(plan, runs),
    eventSeq: 0,
  };
}

/** The plan of one run: its jitter is that of no other run, and the same after a restart. */
export function planOf(plan: Plan, rootId: string): Plan {
  return { ...plan, seed: rootId };
}

/** The stage definition of every node of the plan: both are numbered depth first. */
export function stagesByNode(definition: PipelineDefinition, plan: Plan): (StageDefinition | null)[] {
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
  if (stages.length !== plan.nodes.length) {
    throw new Error(`The plan has ${plan.nodes.length} nodes, its definition ${stages.length}.`);
  }
  return stages;
}

export function countLeaves(plan: Plan, runs: readonly Run[]): Partial<Record<RunStatus, number>> {
  const counts: Partial<Record<RunStatus, number>> = {};
  for (const node of plan.nodes) {
    if (node.isGroup) continue;
    const { status } = runs[node.index]!;
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}
