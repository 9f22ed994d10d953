import type { Dag, DagNode } from './definition.ts';
import { DEFAULT_MAX_ITEMS, DEFAULT_MAX_PARALLEL, NO_RETRY } from './definition.ts';
import type { PlanGroup, PlanNode } from './plan.ts';
import type { GroupColumns, NodeExtras, PlanColumns } from './plan-columns.ts';
import { GROUP_BIT, joined } from './plan-columns.ts';
import { planNodes } from './plan-nodes.ts';
import { startsBefore } from './ready-queue.ts';
import type { Links } from './sibling-links.ts';
import { linkCount, reversed } from './sibling-links.ts';
import { triggerRuleNames } from './trigger-rule.ts';

/** The links between the nodes of each DAG of a definition, as `checkDependencies` has found them. */
export type LinksOfDags = ReadonlyMap<Dag, Links>;

/** Recurses only into a foreach inside of a foreach; `sources` counts the nodes of the definition. */
export function buildColumns(root: DagNode, links: LinksOfDags, sources = { next: 0 }): PlanColumns {
  const builder = new ColumnsBuilder(root, links, sources);
  return builder.build(root);
}

/** A group whose children are being numbered. */
interface OpenGroup {
  readonly dag: Dag;
  readonly children: number[];
  readonly path: string;
  readonly index: number;
  readonly dependsOn: Links;
  readonly dependents: Links;
}

class ColumnsBuilder {
  readonly #links: LinksOfDags;
  readonly #sources: { next: number };
  readonly #columns;
  readonly #extras = new Map<number, NodeExtras>();
  #next = 0;

  constructor(root: DagNode, links: LinksOfDags, sources: { next: number }) {
    this.#links = links;
    this.#sources = sources;
    const { nodes: size, dependencies } = extentOf(root, links);
    const column = (length: number): Int32Array => new Int32Array(length);
    this.#columns = {
      size,
      names: new Array<string>(size).fill(''),
      parents: column(size),
      ends: column(size),
      sources: column(size),
      kinds: new Uint8Array(size),
      dependsOn: { starts: column(size + 1), targets: column(dependencies) },
      dependents: { starts: column(size + 1), targets: column(dependencies) },
      groups: new Array<GroupColumns | null>(size).fill(null),
    };
  }

  build(root: DagNode): PlanColumns {
    const open: OpenGroup[] = [];
    const enter = (node: DagNode, parent: OpenGroup | null): void => {
      const group = this.#add(node, parent, open.length);
      if (group !== null) open.push(group);
    };
    enter(root, null);
    for (let top = open[0]; top !== undefined; top = open[open.length - 1]) {
      const node = top.dag.nodes[top.children.length];
      if (node !== undefined) enter(node, top);
      else this.#close(open.pop()!);
    }
    return { ...this.#columns, extras: this.#extras.size > 0 ? this.#extras : null };
  }

  /** Gives the group whose children come next, if the node is one. */
  #add(node: DagNode, parent: OpenGroup | null, depth: number): OpenGroup | null {
    const { names, parents, ends, sources, kinds, dependsOn, dependents, groups } = this.#columns;
    const index = this.#next++;
    names[index] = node.name;
    parents[index] = parent === null ? -1 : parent.index;
    ends[index] = index + 1;
    const source = this.#sources.next++;
    sources[index] = source;
    if (node.triggerRule !== undefined) kinds[index] = triggerRuleNames.indexOf(node.triggerRule);
    const place = parent === null ? -1 : parent.children.push(index) - 1;
    dependsOn.starts[index + 1] =
      dependsOn.starts[index]! + (parent === null ? 0 : linkCount(parent.dependsOn, place));
    dependents.starts[index + 1] =
      dependents.starts[index]! + (parent === null ? 0 : linkCount(parent.dependents, place));
    const template = node.foreach ? this.#templateOf(node, source) : null;
    if (hasExtras(node)) this.#extras.set(index, extrasFor(node, template));
    if (node.dag === undefined && template === null) return null;
    const path = parent === null ? '' : joined(parent.path, node.name);
    const children: number[] = [];
    kinds[index]! |= GROUP_BIT;
    groups[index] = { ...groupOf(node), roots: [], path, depth, children };
    if (!node.dag || template !== null) return null;
    const links = this.#links.get(node.dag)!;
    return { dag: node.dag, index, path, children, dependsOn: links, dependents: reversed(links) };
  }

  /** Now all children have numbers. */
  #close({ index, children, dependsOn, dependents }: OpenGroup): void {
    const { ends, groups } = this.#columns;
    ends[index] = this.#next;
    translate(dependsOn, this.#columns.dependsOn, children);
    translate(dependents, this.#columns.dependents, children);
    const priorityOf = (node: number): number => this.#extras.get(node)?.priority ?? 0;
    const roots = children.filter((_, place) => linkCount(dependsOn, place) === 0);
    if (this.#extras.size > 0) {
      const before = (a: number, b: number): boolean =>
        startsBefore({ node: a, priority: priorityOf(a) }, { node: b, priority: priorityOf(b) });
      roots.sort((a, b) => (before(a, b) ? -1 : 1));
    }
    groups[index] = { ...groups[index]!, roots };
  }

  #templateOf({ name, dag, retry, timeoutMs, takesNoPlace }: DagNode, source: number): readonly PlanNode[] {
    const item: DagNode = {
      name,
      ...(dag && { dag }),
      ...(retry && { retry }),
      ...(timeoutMs && { timeoutMs }),
      ...(takesNoPlace && { takesNoPlace }),
    };
    this.#sources.next = source;
    return planNodes(buildColumns(item, this.#links, this.#sources));
  }
}

function extentOf(root: DagNode, links: LinksOfDags): { nodes: number; dependencies: number } {
  let nodes = 1;
  let dependencies = 0;
  const open = root.dag && !root.foreach ? [root.dag] : [];
  for (let dag = open.pop(); dag !== undefined; dag = open.pop()) {
    nodes += dag.nodes.length;
    dependencies += links.get(dag)!.targets.length;
    for (const node of dag.nodes) if (node.dag !== undefined && !node.foreach) open.push(node.dag);
  }
  return { nodes, dependencies };
}

/** Copies links between places among siblings as links between nodes. */
function translate(from: Links, into: Links, nodes: readonly number[]): void {
  for (let place = 0; place < nodes.length; place++) {
    let at = into.starts[nodes[place]!]!;
    for (let link = from.starts[place]!; link < from.starts[place + 1]!; link++) {
      into.targets[at++] = nodes[from.targets[link]!]!;
    }
  }
}

function hasExtras(node: DagNode): boolean {
  const { condition, when, foreach, priority, retry, timeoutMs, takesNoPlace, outlivesDeadline } = node;
  const isPlain = priority === undefined && retry === undefined && timeoutMs === undefined;
  if (!isPlain || foreach !== undefined || takesNoPlace === true || outlivesDeadline === true) return true;
  return condition === true || when !== undefined;
}

function extrasFor(node: DagNode, template: readonly PlanNode[] | null): NodeExtras {
  const { dag, condition, when, foreach, priority = 0, retry, timeoutMs } = node;
  const { takesNoPlace = false, outlivesDeadline = false } = node;
  const isLeaf = dag === undefined && template === null;
  return {
    condition: condition === true || when !== undefined,
    foreach: template && { ...foreach, maxItems: foreach?.maxItems ?? DEFAULT_MAX_ITEMS, template },
    priority: takesNoPlace ? Number.POSITIVE_INFINITY : priority,
    takesNoPlace,
    outlivesDeadline,
    retry: isLeaf && retry ? retry : NO_RETRY,
    timeoutMs: isLeaf && timeoutMs !== undefined && timeoutMs !== 0 ? timeoutMs : null,
  };
}

function groupOf({ dag, foreach, timeoutMs }: DagNode): Omit<PlanGroup, 'roots' | 'layers'> {
  if (foreach || !dag) {
    const maxParallel = Math.max(1, foreach?.maxParallel ?? DEFAULT_MAX_PARALLEL);
    return { maxParallel, failPolicy: 'skip_dependents', onSiblings: 'finish', deadlineMs: null };
  }
  const limits = [dag.deadlineMs, timeoutMs === 0 ? undefined : timeoutMs].filter(
    (limit) => limit !== undefined && limit !== null,
  );
  return {
    maxParallel: Math.max(1, dag.maxParallel ?? DEFAULT_MAX_PARALLEL),
    failPolicy: dag.failPolicy ?? 'skip_dependents',
    onSiblings: dag.onSiblings ?? 'finish',
    deadlineMs: limits.length > 0 ? Math.min(...limits) : null,
  };
}
