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

/** The links between the nodes of each DAG of a definition, as `checkDependencies` has found and numbered them. */
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
  #parents: Int32Array | null = null;
  #sourceOf: Int32Array | null = null;
  #kinds: Uint8Array | null = null;
  readonly #dependsOn: Links;
  /** Otherwise the links of the only DAG are those of the plan. */
  readonly #isNested: boolean;
  readonly #groups: (GroupColumns | null)[] = [];
  readonly #extras = new Map<number, NodeExtras>();
  #next = 0;

  constructor(root: DagNode, links: LinksOfDags, sources: { next: number }) {
    this.#links = links;
    this.#sources = sources;
    const only = onlyLinks(root, links);
    const { nodes: size, dependencies } = extentOf(root, links);
    this.#size = size;
    this.#isNested = only === null;
    this.#names = new Array<string>(size).fill('');
    this.#dependsOn = only ?? { starts: new Int32Array(size + 1), targets: new Int32Array(dependencies) };
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
    this.#names[index] = node.name;
    if (parent !== null) {
      if (parent.index > 0) this.#noteParent(index, parent.index);
      parent.children[parent.count++] = index;
      if (this.#isNested) {
        const { starts } = this.#dependsOn;
        starts[index + 1] = starts[index]! + linkCount(parent.links, parent.count);
      }
    }
    const source = this.#sources.next++;
    if (source !== index) this.#noteSource(index, source);
    if (node.triggerRule !== undefined) this.#noteKind(index, triggerRuleNames.indexOf(node.triggerRule));
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
    if (index > 0) this.#noteKind(index, GROUP_BIT);
    while (this.#groups.length < index) this.#groups.push(null);
    this.#groups.push({ ...groupOf(node), roots: [], path, depth, end: index + 1, children });
    return dag && { dag, index, path, depth, children, count: 0, links: this.#links.get(dag)! };
  }

  #noteParent(index: number, parent: number): void {
    if (this.#parents === null) {
      this.#parents = new Int32Array(this.#size);
      this.#parents[0] = -1;
    }
    this.#parents[index] = parent;
  }

  #noteKind(index: number, kind: number): void {
    if (this.#kinds === null) {
      this.#kinds = new Uint8Array(this.#size);
      this.#kinds[0] = GROUP_BIT;
    }
    this.#kinds[index]! |= kind;
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
    if (this.#isNested) translate(links, this.#dependsOn, children);
    const priorityOf = (node: number): number => this.#extras.get(node)?.priority ?? 0;
    const roots: number[] = [];
    for (let place = 0; place < children.length; place++) {
      if (linkCount(links, place + 1) === 0) roots.push(children[place]!);
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

/** Of a single DAG that is the whole definition. */
function onlyLinks({ dag, foreach }: DagNode, links: LinksOfDags): Links | null {
  return links.size === 1 && dag && !foreach ? links.get(dag)! : null;
}

function extentOf(root: DagNode, links: LinksOfDags): { nodes: number; dependencies: number } {
  const only = onlyLinks(root, links);
  if (only !== null) return { nodes: only.starts.length - 1, dependencies: only.targets.length };
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

/** Copies the links of a DAG, whose children are these nodes, as links between them. */
function translate(from: Links, into: Links, nodes: Int32Array): void {
  const first = nodes[0] ?? 0;
  // Without groups among them siblings have consecutive numbers, and so have their links.
  if ((nodes[nodes.length - 1] ?? 0) - first === nodes.length - 1) {
    let at = into.starts[first]!;
    for (let link = 0; link < from.targets.length; link++)
      into.targets[at++] = first + from.targets[link]! - 1;
    return;
  }
  for (let place = 0; place < nodes.length; place++) {
    let at = into.starts[nodes[place]!]!;
    for (let link = from.starts[place + 1]!; link < from.starts[place + 2]!; link++) {
      into.targets[at++] = nodes[from.targets[link]! - 1]!;
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
