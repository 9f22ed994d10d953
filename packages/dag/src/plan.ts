import type { Dag, DagNode, FailPolicy, Foreach, OnSiblings, RetryPolicy } from './definition.ts';
import { DEFAULT_MAX_ITEMS, DEFAULT_MAX_PARALLEL, NO_RETRY } from './definition.ts';
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
  /** How many nodes a run may have together with those of all its items. */
  readonly maxExpandedNodes: number;
  /** By their `source`: nodes that a run of only some nodes leaves out (`selectNodes`); mostly none. */
  readonly deselected: ReadonlySet<number>;
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
  /** The number of the node in the definition, counted in preorder: items of a foreach share it. */
  readonly source: number;
  /** Of a copy made by a foreach: which item it is for; null for all others. */
  readonly item: number | null;
  /** Null for all but foreach nodes, which are groups. */
  readonly foreach: PlanForeach | null;
  /** Infinite for a node that takes no place: it never stands behind one that waits for a place. */
  readonly priority: number;
  readonly takesNoPlace: boolean;
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

export interface PlanForeach extends Foreach {
  readonly maxItems: number;
  /** The nodes of one item, numbered from 0 with paths from there; the item itself comes first. */
  readonly template: readonly PlanNode[];
}

/** Numbers a definition that `validate` has found correct. O(nodes + dependencies). */
export function buildPlan(
  dag: Dag,
  limits: { readonly seed: string; readonly maxExpandedNodes: number },
): Plan {
  const nodes = numberNodes({ name: '', dag }, { next: 0 });
  const deselected: ReadonlySet<number> = new Set();
  return { nodes, ...limits, deselected, indexByPath: new Map(nodes.map((node) => [node.path, node.index])) };
}

/** Recurses only into a foreach inside of a foreach; `sources` counts the nodes of the definition. */
function numberNodes(root: DagNode, sources: { next: number }): PlanNode[] {
  const drafts: DraftNode[] = [draftOf(root, -1, 0, '', sources)];
  const open = root.dag ? [{ index: 0, dag: root.dag, next: 0 }] : [];
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
    drafts.push(draftOf(node, parent.index, index, path, sources, parent.depth + 1));
    parent.children.push(index);
    if (node.dag && !node.foreach) open.push({ index, dag: node.dag, next: 0 });
  }
  return drafts.map(planNode);
}

function templateOf(
  { name, dag, retry, timeoutMs, takesNoPlace }: DagNode,
  source: number,
  sources: { next: number },
): PlanNode[] {
  const item: DagNode = {
    name,
    ...(dag && { dag }),
    ...(retry && { retry }),
    ...(timeoutMs && { timeoutMs }),
    ...(takesNoPlace && { takesNoPlace }),
  };
  sources.next = source;
  return numberNodes(item, sources);
}

interface DraftNode {
  readonly source: DagNode;
  readonly index: number;
  readonly parent: number;
  readonly depth: number;
  readonly path: string;
  readonly sourceIndex: number;
  readonly template: readonly PlanNode[] | null;
  readonly children: number[];
  readonly dependents: number[];
  dependsOn: number[];
  layers: number[][];
  roots: number[];
  end: number;
}

function draftOf(
  source: DagNode,
  parent: number,
  index: number,
  path: string,
  sources: { next: number },
  depth = 0,
): DraftNode {
  const lists = { children: [], dependents: [], dependsOn: [], layers: [], roots: [] };
  const sourceIndex = sources.next++;
  const template = source.foreach ? templateOf(source, sourceIndex, sources) : null;
  return { source, sourceIndex, template, index, parent, depth, path, end: index + 1, ...lists };
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
    .map((child) => ({ node: child.index, priority: priorityOf(child.source) }))
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

function priorityOf({ priority = 0, takesNoPlace }: DagNode): number {
  return takesNoPlace ? Number.POSITIVE_INFINITY : priority;
}

function planNode(draft: DraftNode): PlanNode {
  const { source, template, index, parent, depth, path, end, children, dependsOn, dependents } = draft;
  const timeoutMs = source.timeoutMs === undefined || source.timeoutMs === 0 ? null : source.timeoutMs;
  const isLeaf = source.dag === undefined && template === null;
  return {
    index,
    parent,
    depth,
    name: source.name,
    path,
    isGroup: !isLeaf,
    end,
    children,
    dependsOn,
    dependents,
    dependencyCount: dependsOn.length,
    triggerRule: source.triggerRule ?? 'all_success',
    condition: source.condition === true || source.when !== undefined,
    source: draft.sourceIndex,
    item: null,
    foreach: template && {
      ...source.foreach,
      maxItems: source.foreach?.maxItems ?? DEFAULT_MAX_ITEMS,
      template,
    },
    priority: priorityOf(source),
    takesNoPlace: source.takesNoPlace === true,
    retry: isLeaf && source.retry ? source.retry : NO_RETRY,
    timeoutMs: isLeaf ? timeoutMs : null,
    group: isLeaf ? null : planGroup(source, timeoutMs, draft),
  };
}

function planGroup({ dag, foreach }: DagNode, timeoutMs: number | null, draft: DraftNode): PlanGroup {
  const { roots, layers } = draft;
  if (foreach || !dag) {
    const maxParallel = Math.max(1, foreach?.maxParallel ?? DEFAULT_MAX_PARALLEL);
    return {
      maxParallel,
      failPolicy: 'skip_dependents',
      onSiblings: 'finish',
      deadlineMs: null,
      roots,
      layers,
    };
  }
  const limits = [dag.deadlineMs, timeoutMs].filter((limit) => limit !== undefined && limit !== null);
  return {
    maxParallel: Math.max(1, dag.maxParallel ?? DEFAULT_MAX_PARALLEL),
    failPolicy: dag.failPolicy ?? 'skip_dependents',
    onSiblings: dag.onSiblings ?? 'finish',
    deadlineMs: limits.length > 0 ? Math.min(...limits) : null,
    roots,
    layers,
  };
}
