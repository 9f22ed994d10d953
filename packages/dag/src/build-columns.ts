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
  readonly index: number;
  readonly path: string;
  readonly depth: number;
  readonly children: Int32Array;
  /** How many of the children have numbers. */
  count: number;
  readonly links: Links;
}

class ColumnsBuilder {
  readonly #links: LinksOfDags;
  readonly #sources: { next: number };
  readonly #size: number;
  readonly #names: string[];
  readonly #parents: Int32Array;
  #sourceOf: Int32Array | null = null;
  readonly #kinds: Uint8Array;
  readonly #dependsOn: Links;
  readonly #groups: (GroupColumns | null)[] = [];
  readonly #extras = new Map<number, NodeExtras>();
  #next = 0;

  constructor(root: DagNode, links: LinksOfDags, sources: { next: number }) {
    this.#links = links;
    this.#sources = sources;
    const { nodes: size, dependencies } = extentOf(root, links);
    this.#size = size;
    this.#names = new Array<string>(size).fill('');
    this.#parents = new Int32Array(size);
    this.#kinds = new Uint8Array(size);
    this.#dependsOn = { starts: new Int32Array(size + 1), targets: new Int32Array(dependencies) };
  }

  build(root: DagNode): PlanColumns {
    const open: OpenGroup[] = [];
    const top = this.#add(root, null);
    if (top !== null) open.push(top);
    for (let group = top; group !== null; group = open[open.length - 1] ?? null) {
      const inner = this.#addChildren(group);
      if (inner !== null) open.push(inner);
      else this.#close(open.pop()!);
    }
    return {
      size: this.#size,
      names: this.#names,
      parents: this.#parents,
      sources: this.#sourceOf,
      kinds: this.#kinds,
      dependsOn: this.#dependsOn,
      dependents: reversed(this.#dependsOn),
      groups: this.#groups,
      extras: this.#extras.size > 0 ? this.#extras : null,
    };
  }

  /** Numbers children up to one that is a group itself, which it gives; null when none is left. */
  #addChildren(group: OpenGroup): OpenGroup | null {
    const { nodes } = group.dag;
    while (group.count < nodes.length) {
      const inner = this.#add(nodes[group.count]!, group);
      if (inner !== null) return inner;
    }
    return null;
  }

  /** Gives the group whose children come next, if the node is one. */
  #add(node: DagNode, parent: OpenGroup | null): OpenGroup | null {
    const index = this.#next++;
    const { starts } = this.#dependsOn;
    this.#names[index] = node.name;
    if (parent === null) {
      this.#parents[index] = -1;
    } else {
      this.#parents[index] = parent.index;
      starts[index + 1] = starts[index]! + linkCount(parent.links, parent.count);
      parent.children[parent.count++] = index;
    }
    const source = this.#sources.next++;
    if (source !== index) this.#noteSource(index, source);
    if (node.triggerRule !== undefined) this.#kinds[index] = triggerRuleNames.indexOf(node.triggerRule);
    const template = node.foreach ? this.#templateOf(node, source) : null;
    if (hasExtras(node)) this.#extras.set(index, extrasFor(node, template));
    return node.dag === undefined && template === null ? null : this.#open(node, template, index, parent);
  }

  #open(
    node: DagNode,
    template: readonly PlanNode[] | null,
    index: number,
    parent: OpenGroup | null,
  ): OpenGroup | null {
    const path = parent === null ? '' : joined(parent.path, node.name);
    const depth = parent === null ? 0 : parent.depth + 1;
    const dag = template === null ? node.dag! : null;
    const children = new Int32Array(dag?.nodes.length ?? 0);
    this.#kinds[index]! |= GROUP_BIT;
    while (this.#groups.length < index) this.#groups.push(null);
    this.#groups.push({ ...groupOf(node), roots: [], path, depth, end: index + 1, children });
    return dag && { dag, index, path, depth, children, count: 0, links: this.#links.get(dag)! };
  }

  /** Behind a foreach with a DAG the numbers in the definition are others. */
  #noteSource(index: number, source: number): void {
    if (this.#sourceOf === null) {
      this.#sourceOf = new Int32Array(this.#size);
      for (let before = 0; before < index; before++) this.#sourceOf[before] = before;
    }
    this.#sourceOf[index] = source;
  }

  /** Now all children have numbers. */
  #close({ index, children, links }: OpenGroup): void {
    translate(links, this.#dependsOn, children);
    const priorityOf = (node: number): number => this.#extras.get(node)?.priority ?? 0;
    const roots: number[] = [];
    for (let place = 0; place < children.length; place++) {
      if (linkCount(links, place) === 0) roots.push(children[place]!);
    }
    if (this.#extras.size > 0) {
      const before = (a: number, b: number): boolean =>
        startsBefore({ node: a, priority: priorityOf(a) }, { node: b, priority: priorityOf(b) });
      roots.sort((a, b) => (before(a, b) ? -1 : 1));
    }
    this.#groups[index] = { ...this.#groups[index]!, roots, end: this.#next };
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
  // A single DAG is the whole definition.
  if (links.size === 1 && root.dag && !root.foreach) {
    return { nodes: 1 + root.dag.nodes.length, dependencies: links.get(root.dag)!.targets.length };
  }
  let nodes = 1;
  let dependencies = 0;
  const open = root.dag && !root.foreach ? [root.dag] : [];
  for (let dag = open.pop(); dag !== undefined; dag = open.pop()) {
    nodes += dag.nodes.length;
    dependencies += links.get(dag)!.targets.length;
    for (let at = 0; at < dag.nodes.length; at++) {
      const node = dag.nodes[at]!;
      if (node.dag !== undefined && !node.foreach) open.push(node.dag);
    }
  }
  return { nodes, dependencies };
}

/** Copies links between places among siblings as links between nodes. */
function translate(from: Links, into: Links, nodes: Int32Array): void {
  const first = nodes[0] ?? 0;
  // Without groups among them siblings have consecutive numbers, and so have their links.
  if ((nodes[nodes.length - 1] ?? 0) - first === nodes.length - 1) {
    let at = into.starts[first]!;
    for (let link = 0; link < from.targets.length; link++) into.targets[at++] = first + from.targets[link]!;
    return;
  }
  for (let place = 0; place < nodes.length; place++) {
    let at = into.starts[nodes[place]!]!;
    for (let link = from.starts[place]!; link < from.starts[place + 1]!; link++) {
      into.targets[at++] = nodes[from.targets[link]!]!;
    }
  }
}

function hasExtras(node: DagNode): boolean {
  const { condition, when, foreach, priority, retry, timeoutMs, takesNoPlace, outlivesDeadline } = node;
  const isPlain = (priority ?? 0) === 0 && retry === undefined && (timeoutMs ?? 0) === 0;
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
