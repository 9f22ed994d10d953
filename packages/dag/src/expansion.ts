import type { Foreach } from './definition.ts';
import type { Plan, PlanNode } from './plan.ts';
import type { DagState } from './state.ts';

/** That a foreach node got its items. Stored in this order, they give the same numbers again. */
export interface Expansion {
  readonly node: number;
  readonly count: number;
}

/** Where the items of a foreach node are: `count` blocks of `size` nodes each, from `first` on. */
export interface ItemBlock {
  readonly first: number;
  readonly count: number;
  readonly size: number;
}

/** A node of the definition or one that a foreach has added. Throws RangeError for an unknown number. */
export function nodeOf(plan: Plan, state: DagState, index: number): PlanNode {
  return plan.nodes[index] ?? state.grown.get(index - plan.nodes.length);
}

/** How many nodes there are by now: those of the plan, and those of all items behind them. */
export function nodeCount(state: DagState): number {
  return state.rows.length;
}

/** The plan with the items that it has by now, also as `children` of their foreach nodes. O(nodes). */
export function planOf(plan: Plan, state: DagState): Plan {
  if (state.expansions.length === 0) return plan;
  const nodes = Array.from({ length: nodeCount(state) }, (_, index) => withItems(plan, state, index));
  const indexByPath = new Map(nodes.map((node) => [node.path, node.index]));
  return {
    columns: plan.columns,
    seed: plan.seed,
    maxExpandedNodes: plan.maxExpandedNodes,
    deselected: plan.deselected,
    nodes,
    indexByPath,
  };
}

/** The direct children of a node in their order; of a foreach its items, none before it has them. */
export function childrenOf(plan: Plan, state: DagState, index: number): readonly number[] {
  const node = nodeOf(plan, state, index);
  if (node.foreach === null) return node.children;
  const block = state.books.get(index)?.items ?? null;
  return block === null ? [] : firstNodesOf(block);
}

/** All expansions so far, in the order in which `restoreState` needs them. */
export function expansionsOf(state: DagState): readonly Expansion[] {
  return Array.from({ length: state.expansions.length }, (_, at) => state.expansions.get(at));
}

/** In which item of each foreach around it (itself included) the node is, outermost first; empty for none. */
export function itemIndices(plan: Plan, state: DagState, index: number): readonly number[] {
  const items: number[] = [];
  for (let at = index; at >= 0; at = nodeOf(plan, state, at).parent) {
    const { item } = nodeOf(plan, state, at);
    if (item !== null) items.push(item);
  }
  return items.reverse();
}

/** What the nodes of items take from their foreach node. */
type ItemOwner = Pick<PlanNode, 'index' | 'path' | 'depth' | 'foreach'>;

/** The nodes of all items, numbered from `first` on. */
export function itemNodes(foreach: ItemOwner, count: number, first: number): PlanNode[] {
  const template = foreach.foreach!.template;
  return Array.from({ length: count * template.length }, (_, at) => {
    const item = Math.floor(at / template.length);
    return itemNode(foreach, template[at % template.length]!, item, first + item * template.length);
  });
}

export function firstNodesOf({ first, count, size }: ItemBlock): number[] {
  return Array.from({ length: count }, (_, item) => first + item * size);
}

/** How many items may fail without the foreach failing. */
export function toleratedFailures({ failurePolicy = 'all' }: Foreach, count: number): number {
  if (failurePolicy === 'all') return 0;
  return failurePolicy === 'any' ? Math.max(0, count - 1) : failurePolicy.maxFailures;
}

function itemNode(foreach: ItemOwner, template: PlanNode, item: number, base: number): PlanNode {
  const shift = (index: number): number => index + base;
  const isTop = template.index === 0;
  const { group } = template;
  const top = `${foreach.path}[${item}]`;
  return {
    ...template,
    index: shift(template.index),
    parent: isTop ? foreach.index : shift(template.parent),
    depth: foreach.depth + 1 + template.depth,
    name: isTop ? top.slice(top.lastIndexOf('/') + 1) : template.name,
    path: isTop ? top : `${top}/${template.path}`,
    item: isTop ? item : null,
    end: shift(template.end),
    children: template.children.map(shift),
    dependsOn: template.dependsOn.map(shift),
    dependents: template.dependents.map(shift),
    group: group && {
      ...group,
      roots: group.roots.map(shift),
      layers: group.layers.map((layer) => layer.map(shift)),
    },
  };
}

function withItems(plan: Plan, state: DagState, index: number): PlanNode {
  const node = nodeOf(plan, state, index);
  if (node.foreach === null || (state.books.get(index)?.items ?? null) === null) return node;
  const children = childrenOf(plan, state, index);
  return { ...node, children, group: { ...node.group!, roots: children, layers: [children] } };
}
