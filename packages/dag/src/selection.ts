import { closestName } from './closest-name.ts';
import type { Draft } from './draft.ts';
import type { Plan, PlanNode } from './plan.ts';

export type Selection =
  | { readonly ok: true; readonly plan: Plan }
  /** One message per path that leads to no node. */
  | { readonly ok: false; readonly faults: readonly string[] };

/**
 * The plan of a run of only these nodes and of all that they depend on, directly, through others or through a
 * DAG around them. All other nodes are skipped with the reason `not_selected` when the run starts. A path such
 * as `sweep/small` names a node of the definition; inside of a foreach it stands for that node in every item.
 */
export function selectNodes(plan: Plan, paths: readonly string[]): Selection {
  const faults: string[] = [];
  const selected = new SelectedNodes();
  for (const path of paths) {
    const way = wayTo(plan, path);
    if (typeof way === 'string') faults.push(way);
    else selected.add(way);
  }
  if (faults.length > 0) return { ok: false, faults };
  return { ok: true, plan: { ...plan, deselected: selected.others(plan) } };
}

/** Skips those of the nodes from this one on that the run is not to have. Nothing that is selected depends on them. */
export function skipDeselected(draft: Draft, first: number): void {
  const { deselected } = draft.plan;
  if (deselected.size === 0) return;
  for (let index = first; index < draft.nodeCount; index++) {
    // It may have been cancelled before the start.
    if (!deselected.has(draft.sourceOf(index)) || draft.hasEnded(index)) continue;
    draft.close(index, { status: 'skipped', reason: 'not_selected' });
  }
}

/** A node with the nodes beside it: those of the plan, or those of a foreach's template. */
interface Step {
  readonly node: PlanNode;
  readonly nodes: readonly PlanNode[];
}

/** The steps from the outermost node in, or what is wrong with the path. */
function wayTo(plan: Plan, path: string): readonly Step[] | string {
  const way: Step[] = [];
  let level: Step = { node: plan.nodes[0]!, nodes: plan.nodes };
  for (const name of path.split('/')) {
    const { nodes, children } = inside(level);
    const found = children.find((child) => nodes[child]!.name === name);
    if (found === undefined) {
      return unknownPath(
        path,
        way,
        name,
        children.map((child) => nodes[child]!.name),
      );
    }
    level = { node: nodes[found]!, nodes };
    way.push(level);
  }
  return way;
}

function inside({ node, nodes }: Step): {
  readonly nodes: readonly PlanNode[];
  readonly children: readonly number[];
} {
  if (node.foreach === null) return { nodes, children: node.children };
  const { template } = node.foreach;
  return { nodes: template, children: template[0]!.children };
}

function unknownPath(path: string, way: readonly Step[], name: string, known: readonly string[]): string {
  const around = way.map(({ node }) => `${node.name}/`).join('');
  const close = closestName(name, known);
  if (close !== undefined) return `there is no stage "${path}"; did you mean "${around}${close}"?`;
  if (known.length === 0) return `there is no stage "${path}"; nothing is inside of "${around.slice(0, -1)}"`;
  const listed = known.slice(0, 12).map((each) => `${around}${each}`);
  return `there is no stage "${path}"; known: ${listed.join(', ')}${known.length > 12 ? ', …' : ''}`;
}

/** Gathers by number in the definition (`source`), which all items of a foreach share. */
class SelectedNodes {
  readonly #whole = new Set<number>();
  readonly #partly = new Set<number>([0]);

  /** Selects the last node of the way whole, and what each node of the way depends on. */
  add(way: readonly Step[]): void {
    for (const { node, nodes } of way) {
      this.#partly.add(node.source);
      for (const dependency of node.dependsOn) this.#addWhole({ node: nodes[dependency]!, nodes });
    }
    this.#addWhole(way.at(-1)!);
  }

  /** The numbers of all nodes that are not selected. */
  others(plan: Plan): ReadonlySet<number> {
    const others = new Set<number>();
    const visit = (nodes: readonly PlanNode[]): void => {
      for (const { source, foreach } of nodes) {
        if (!this.#whole.has(source) && !this.#partly.has(source)) others.add(source);
        if (foreach !== null) visit(foreach.template);
      }
    };
    visit(plan.nodes);
    return others;
  }

  #addWhole(step: Step): void {
    const open: Step[] = [step];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { node, nodes } = next;
      if (this.#whole.has(node.source)) continue;
      this.#whole.add(node.source);
      const { nodes: below, children } = inside(next);
      for (const child of children) open.push({ node: below[child]!, nodes: below });
      for (const dependency of node.dependsOn) open.push({ node: nodes[dependency]!, nodes });
    }
  }
}
