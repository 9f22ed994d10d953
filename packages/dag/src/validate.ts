import { checkDependencies } from './check-dependencies.ts';
import { checkDagValues, checkNodeValues, isPlainNode } from './check-values.ts';
import type { Dag } from './definition.ts';
import {
  DEFAULT_MAX_DEPENDENCIES,
  DEFAULT_MAX_DEPTH,
  DEFAULT_MAX_EXPANDED_NODES,
  DEFAULT_MAX_NODES,
} from './definition.ts';
import type { Fault } from './fault.ts';
import { FaultList } from './fault.ts';
import type { Plan } from './plan.ts';
import { buildPlan } from './plan.ts';
import type { Links } from './sibling-links.ts';

export interface ValidateOptions {
  /** DAGs inside each other, the root included (default 10). Nothing in a definition can change it. */
  readonly maxDepth?: number;
  /** Nodes in the whole tree, without the root (default 50,000). */
  readonly maxNodes?: number;
  /** Entries of all `dependsOn` together (default 1,000,000). */
  readonly maxDependencies?: number;
  /** Nodes of a run together with those of all items of its foreach nodes (default 1,000,000). */
  readonly maxExpandedNodes?: number;
  /** For the jitter of retries: a text of the run, such as its id (default empty). */
  readonly seed?: string;
}

export type Validation =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/**
 * Checks a definition and gives its plan, or every fault with its path. The size is checked first and cheaply:
 * a definition above `maxNodes` is refused before anything else is looked at. O(nodes + dependencies).
 */
export function validate(dag: Dag, options: ValidateOptions = {}): Validation {
  const faults = new FaultList();
  const groups = listGroups(dag, options, faults);
  if (groups === null) return { ok: false, faults: faults.toArray() };
  const links = new Map<Dag, Links>();
  for (const group of groups) checkGroup(group, links, faults);
  if (!faults.isEmpty) return { ok: false, faults: faults.toArray() };
  const { seed = '', maxExpandedNodes = DEFAULT_MAX_EXPANDED_NODES } = options;
  return { ok: true, plan: buildPlan(dag, links, { seed, maxExpandedNodes }) };
}

/** A DAG with its place in the definition. */
interface LocatedDag {
  readonly dag: Dag;
  /** DAGs around it, itself included. */
  readonly level: number;
  readonly path: readonly (string | number)[];
  /** How many dependencies its direct children have together. */
  dependencies: number;
}

/**
 * All DAGs of the tree in preorder, or null when it is too large to go on. Counting a DAG before descending
 * also ends the walk through a definition that contains itself or repeats shared parts exponentially.
 */
function listGroups(dag: Dag, options: ValidateOptions, faults: FaultList): LocatedDag[] | null {
  const maxDepth = options.maxDepth ?? DEFAULT_MAX_DEPTH;
  const maxNodes = options.maxNodes ?? DEFAULT_MAX_NODES;
  const maxDependencies = options.maxDependencies ?? DEFAULT_MAX_DEPENDENCIES;
  const groups: LocatedDag[] = [];
  const open: LocatedDag[] = [{ dag, level: 1, path: [], dependencies: 0 }];
  let nodeCount = 0;
  let dependencyCount = 0;
  for (let group = open.pop(); group !== undefined; group = open.pop()) {
    if (group.level > maxDepth) {
      faults.add('depth_exceeded', group.path, `DAG nesting depth exceeds limit (${maxDepth})`);
      continue;
    }
    groups.push(group);
    if (!Array.isArray(group.dag?.nodes)) continue;
    const { nodes } = group.dag;
    nodeCount += nodes.length;
    if (nodeCount > maxNodes) {
      const message = `The DAG has more than ${maxNodes} nodes; split it into several runs`;
      faults.add('too_many_nodes', [...group.path, 'nodes'], message);
      return null;
    }
    for (let index = nodes.length - 1; index >= 0; index--) {
      const node = nodes[index];
      group.dependencies += Array.isArray(node?.dependsOn) ? node.dependsOn.length : 0;
      if (node?.dag === undefined) continue;
      const path = [...group.path, 'nodes', index, 'dag'];
      open.push({ dag: node.dag, level: group.level + 1, path, dependencies: 0 });
    }
    dependencyCount += group.dependencies;
    if (dependencyCount > maxDependencies) {
      const message = `The DAG has more than ${maxDependencies} dependencies; put a joining node between wide layers`;
      faults.add('too_many_dependencies', group.path, message);
      return null;
    }
  }
  return groups;
}

function checkGroup(
  { dag, path, dependencies }: LocatedDag,
  links: Map<Dag, Links>,
  faults: FaultList,
): void {
  if (typeof dag !== 'object' || dag === null || !Array.isArray(dag.nodes)) {
    faults.add('invalid_value', [...path, 'nodes'], 'A DAG needs a list of nodes');
    return;
  }
  checkDagValues(dag, path, faults);
  if (dag.nodes.length === 0) faults.add('empty_dag', [...path, 'nodes'], 'A DAG needs at least one node');
  let isReadable = true;
  for (let index = 0; index < dag.nodes.length; index++) {
    const node = dag.nodes[index]!;
    if (isPlainNode(node)) continue;
    if (!checkNodeValues(node, [...path, 'nodes', index], faults)) isReadable = false;
  }
  if (isReadable) links.set(dag, checkDependencies(dag.nodes, dependencies, [...path, 'nodes'], faults));
}
