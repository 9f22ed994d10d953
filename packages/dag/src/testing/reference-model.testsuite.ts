import type { Dag, DagNode } from '../definition.ts';
import type { TriggerRule } from '../trigger-rule.ts';

/** How a dependency ended; null while it has not. */
export type Seen = 'success' | 'failure' | 'skip' | null;

/** The rules once more, in the plainest words and without any counting ahead: the planner is held to these. */
export const plainRules: Readonly<Record<TriggerRule, (seen: readonly Seen[]) => boolean>> = {
  all_success: (seen) => seen.every((it) => it === 'success'),
  all_done: (seen) => !seen.includes(null),
  one_success: (seen) => seen.includes('success'),
  one_failed: (seen) => seen.includes('failure'),
  none_failed: (seen) => !seen.includes(null) && !seen.includes('failure'),
  none_failed_min_one_success: (seen) =>
    !seen.includes(null) && !seen.includes('failure') && seen.includes('success'),
  all_failed: (seen) => seen.every((it) => it === 'failure'),
  always: (seen) => !seen.includes(null),
};

export function isMet(rule: TriggerRule, ends: readonly Seen[]): boolean {
  return plainRules[rule](ends);
}

/** The reason if, however the rest ends, the rule will not be met and the reason will be the same. */
export function reasonToSkip(rule: TriggerRule, ends: readonly Seen[]): string | null {
  const open = ends.filter((end) => end === null).length;
  const known = ends.filter((end) => end !== null);
  const reasons = new Set<string | null>();
  for (const rest of restsOf(open)) {
    const all = [...known, ...rest];
    const blamed = all.includes('failure') ? 'upstream_failed' : 'upstream_skipped';
    const asksForFailure = rule === 'one_failed' || rule === 'all_failed';
    reasons.add(isMet(rule, all) ? null : asksForFailure ? 'trigger_rule' : blamed);
  }
  const [only = null] = reasons;
  return reasons.size === 1 ? only : null;
}

/** All ways in which so many nodes may end, as far as it matters which kinds of ends there are among them. */
function restsOf(count: number): Seen[][] {
  if (count === 0) return [[]];
  const kinds: Seen[] = ['success', 'failure', 'skip'];
  const sets = kinds.flatMap((a) => kinds.flatMap((b) => kinds.map((c) => [...new Set([a, b, c])])));
  return sets.filter((set) => set.length <= count);
}

/** The nodes that a run of only these and of what they need is not to have. */
export function deselectedNodes(dag: Dag, asked: ReadonlySet<DagNode>): Set<DagNode> {
  const whole = new Set(asked);
  const partly = new Set<DagNode>();
  const look = ({ nodes }: Dag, around: DagNode | null): void => {
    for (const node of nodes) {
      const isNeeded = nodes.some(
        (it) => (whole.has(it) || partly.has(it)) && it.dependsOn?.includes(node.name) === true,
      );
      if (isNeeded || (around !== null && whole.has(around))) whole.add(node);
      if (node.dag !== undefined) look(node.dag, node);
      if (node.dag?.nodes.some((it) => whole.has(it) || partly.has(it))) partly.add(node);
    }
  };
  for (let before = -1; before !== whole.size + partly.size; ) {
    before = whole.size + partly.size;
    look(dag, null);
  }
  return new Set(nodesOf(dag).flatMap(({ node }) => (whole.has(node) || partly.has(node) ? [] : [node])));
}

/** All nodes of a definition with their paths. */
export function nodesOf(dag: Dag, around = ''): { readonly path: string; readonly node: DagNode }[] {
  return dag.nodes.flatMap((node) => {
    const path = around + node.name;
    return [{ path, node }, ...(node.dag === undefined ? [] : nodesOf(node.dag, `${path}/`))];
  });
}

/** `status` or `skipped: reason`, by path. */
export type Endings = Map<string, string>;

/**
 * How every node ends, told by nothing but the definition and what its leaves do. There is no time in it, so
 * it knows no fail-fast, cancel, deadline or loss.
 */
export function endingsOf(dag: Dag, behaviour: ModelBehaviour): Endings {
  const endings: Endings = new Map();
  const end = run(dag, '', endings, behaviour);
  endings.set('', end === 'success' ? 'completed' : 'failed');
  return endings;
}

export interface ModelBehaviour {
  readonly leaf: (path: string) => 'completed' | 'failed';
  readonly condition: (path: string) => boolean | 'error';
  readonly items: (path: string) => number | 'error';
}

function run(dag: Dag, path: string, endings: Endings, behaviour: ModelBehaviour): Seen {
  const ends = new Map<string, Seen>();
  // Dependencies stand before their dependents in every random definition.
  for (const node of dag.nodes) {
    const place = path === '' ? node.name : `${path}/${node.name}`;
    ends.set(node.name, runNode(node, place, ends, endings, behaviour));
  }
  return [...ends.values()].includes('failure') ? 'failure' : 'success';
}

function runNode(
  node: DagNode,
  path: string,
  ends: ReadonlyMap<string, Seen>,
  endings: Endings,
  behaviour: ModelBehaviour,
): Seen {
  const rule = node.triggerRule ?? 'all_success';
  const seen = (node.dependsOn ?? []).map((name) => ends.get(name)!);
  if (!plainRules[rule](seen)) {
    const asksForFailure = rule === 'one_failed' || rule === 'all_failed';
    const blamed = seen.includes('failure') ? 'upstream_failed' : 'upstream_skipped';
    const reason = asksForFailure ? 'trigger_rule' : blamed;
    skip(node, path, reason, endings);
    return reason === 'upstream_failed' ? 'failure' : 'skip';
  }
  const condition = node.condition !== true || behaviour.condition(path);
  if (condition !== true) {
    skip(node, path, condition === 'error' ? 'upstream_failed' : 'condition', endings);
    if (condition === 'error') endings.set(path, 'failed');
    return condition === 'error' ? 'failure' : 'skip';
  }
  return node.foreach === undefined
    ? runOnce(node, path, endings, behaviour)
    : runItems(node, path, endings, behaviour);
}

function runOnce(node: DagNode, path: string, endings: Endings, behaviour: ModelBehaviour): Seen {
  if (node.dag !== undefined) {
    const end = run(node.dag, path, endings, behaviour);
    endings.set(path, end === 'success' ? 'completed' : 'failed');
    return end;
  }
  endings.set(path, behaviour.leaf(path));
  return behaviour.leaf(path) === 'completed' ? 'success' : 'failure';
}

function runItems(node: DagNode, path: string, endings: Endings, behaviour: ModelBehaviour): Seen {
  const { failurePolicy = 'all', emptyAs = 'skipped' } = node.foreach!;
  const count = behaviour.items(path);
  if (count === 0 && emptyAs === 'skipped') {
    endings.set(path, 'skipped: empty');
    return 'skip';
  }
  const items = Array.from({ length: count === 'error' ? 0 : count }, (_, item) =>
    runOnce(node, `${path}[${item}]`, endings, behaviour),
  );
  const failures = items.filter((end) => end === 'failure').length;
  const isSuccess =
    failurePolicy === 'any'
      ? failures === 0 || failures < items.length
      : failures <= (failurePolicy === 'all' ? 0 : failurePolicy.maxFailures);
  endings.set(path, isSuccess && count !== 'error' ? 'completed' : 'failed');
  return isSuccess && count !== 'error' ? 'success' : 'failure';
}

function skip(node: DagNode, path: string, reason: string, endings: Endings): void {
  endings.set(path, `skipped: ${reason}`);
  // A foreach that was never expanded has no items.
  if (node.foreach !== undefined) return;
  for (const child of node.dag?.nodes ?? []) skip(child, `${path}/${child.name}`, reason, endings);
}
