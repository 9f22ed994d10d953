import type { Dag, DagNode, FailPolicy, OnSiblings, RetryPolicy } from './definition.ts';
import { DEFAULT_MAX_PARALLEL, NO_RETRY } from './definition.ts';
import { startsBefore } from './ready-queue.ts';
import type { TriggerRule } from './trigger-rule.ts';

/**
 * A validated definition with numbers instead of names. Nodes are numbered in preorder: 0 is the root, the
 * descendants of node n are n + 1 up to (not including) its `end`. The same definition always gives the same
 * numbers, so they may be stored.
 */
export interface Plan {
  readonly nodes: readonly PlanNode[];
  /** Makes the jitter of this run another than that of others. */
  readonly seed: string;
  /** From a path such as `sweep/small` (root: empty string) to the number. */
  readonly indexByPath: ReadonlyMap<string, number>;
}

export interface PlanNode {
  readonly index: number;
  /** -1 for the root. */
  readonly parent: number;
  /** 0 for the root. */
  readonly depth: number;
  /** Empty for the root. */
  readonly name: string;
  readonly path: string;
  readonly isGroup: boolean;
  /** One more than the number of the last descendant. */
  readonly end: number;
  /** Direct children in the order of the definition; empty for a leaf. */
  readonly children: readonly number[];
  readonly dependsOn: readonly number[];
  /** Siblings that wait for this node. */
  readonly dependents: readonly number[];
  readonly dependencyCount: number;
  readonly triggerRule: TriggerRule;
  readonly condition: boolean;
  readonly priority: number;
  readonly retry: RetryPolicy;
  /** Of one attempt; null for groups, whose time limit is `group.deadlineMs`. */
  readonly timeoutMs: number | null;
  /** Null for a leaf. */
  readonly group: PlanGroup | null;
}

export interface PlanGroup {
  readonly maxParallel: number;
  readonly failPolicy: FailPolicy;
  readonly onSiblings: OnSiblings;
  /** From the start of the group; null for none of its own. */
  readonly deadlineMs: number | null;
  /** Children without dependencies, in the order in which they start. */
  readonly roots: readonly number[];
  /** For display: each child stands one layer behind its last dependency. */
  readonly layers: readonly (readonly number[])[];
}

/** Numbers a definition that `validate` has found correct. O(nodes + dependencies), without recursion. */
export function buildPlan(dag: Dag, seed: string): Plan {
  const drafts: DraftNode[] = [draftOf({ name: '', dag }, -1, 0, '')];
  const open = [{ index: 0, dag, next: 0 }];
  while (open.length > 0) {
    const top = open[open.length - 1]!;
    const parent = drafts[top.index]!;
    const node = top.dag.nodes[top.next++];
    if (node === undefined) {
      parent.end = drafts.length;
      linkChildren(parent, drafts);
      open.pop();
      continue;
    }
    const index = drafts.length;
    const path = parent.path === '' ? node.name : `${parent.path}/${node.name}`;
    drafts.push(draftOf(node, parent.index, index, path, parent.depth + 1));
    parent.children.push(index);
    if (node.dag) open.push({ index, dag: node.dag, next: 0 });
  }
  const nodes = drafts.map(planNode);
  return { nodes, seed, indexByPath: new Map(nodes.map((node) => [node.path, node.index])) };
}

interface DraftNode {
  readonly source: DagNode;
  readonly index: number;
  readonly parent: number;
  readonly depth: number;
  readonly path: string;
  readonly children: number[];
  readonly dependents: number[];
  dependsOn: number[];
  layers: number[][];
  roots: number[];
  end: number;
}

function draftOf(source: DagNode, parent: number, index: number, path: string, depth = 0): DraftNode {
  const lists = { children: [], dependents: [], dependsOn: [], layers: [], roots: [] };
  return { source, index, parent, depth, path, end: index + 1, ...lists };
}

function linkChildren(parent: DraftNode, drafts: readonly DraftNode[]): void {
  const children = parent.children.map((index) => drafts[index]!);
  const byName = new Map(children.map((child) => [child.source.name, child]));
  for (const child of children) {
    child.dependsOn = (child.source.dependsOn ?? []).map((name) => byName.get(name)!.index);
    for (const dependency of child.dependsOn) drafts[dependency]!.dependents.push(child.index);
  }
  parent.roots = children
    .filter((child) => child.dependsOn.length === 0)
    .map((child) => ({ node: child.index, priority: child.source.priority ?? 0 }))
    .sort((a, b) => (startsBefore(a, b) ? -1 : 1))
    .map(({ node }) => node);
  parent.layers = layersOf(children, drafts);
}

function layersOf(children: readonly DraftNode[], drafts: readonly DraftNode[]): number[][] {
  const unmet = new Map(children.map((child) => [child.index, child.dependsOn.length]));
  const layers: number[][] = [];
  let layer = children.filter((child) => child.dependsOn.length === 0);
  while (layer.length > 0) {
    layers.push(layer.map((child) => child.index));
    const next: DraftNode[] = [];
    for (const dependent of layer.flatMap((child) => child.dependents)) {
      const left = unmet.get(dependent)! - 1;
      unmet.set(dependent, left);
      if (left === 0) next.push(drafts[dependent]!);
    }
    layer = next.sort((a, b) => a.index - b.index);
  }
  return layers;
}

function planNode(draft: DraftNode): PlanNode {
  const { source, index, parent, depth, path, end, children, dependsOn, dependents } = draft;
  const timeoutMs = source.timeoutMs === undefined || source.timeoutMs === 0 ? null : source.timeoutMs;
  return {
    index,
    parent,
    depth,
    name: source.name,
    path,
    isGroup: source.dag !== undefined,
    end,
    children,
    dependsOn,
    dependents,
    dependencyCount: dependsOn.length,
    triggerRule: source.triggerRule ?? 'all_success',
    condition: source.condition === true || source.when !== undefined,
    priority: source.priority ?? 0,
    retry: source.retry ?? NO_RETRY,
    timeoutMs: source.dag ? null : timeoutMs,
    group: source.dag ? planGroup(source.dag, timeoutMs, draft) : null,
  };
}

function planGroup(dag: Dag, timeoutMs: number | null, draft: DraftNode): PlanGroup {
  const limits = [dag.deadlineMs, timeoutMs].filter((limit) => limit !== undefined && limit !== null);
  return {
    maxParallel: Math.max(1, dag.maxParallel ?? DEFAULT_MAX_PARALLEL),
    failPolicy: dag.failPolicy ?? 'skip_dependents',
    onSiblings: dag.onSiblings ?? 'finish',
    deadlineMs: limits.length > 0 ? Math.min(...limits) : null,
    roots: draft.roots,
    layers: draft.layers,
  };
}
