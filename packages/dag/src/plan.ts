import type { LinksOfDags } from './build-columns.ts';
import { buildColumns } from './build-columns.ts';
import type { Dag, FailPolicy, Foreach, OnSiblings, RetryPolicy } from './definition.ts';
import type { PlanColumns } from './plan-columns.ts';
import { pathIn } from './plan-columns.ts';
import { planNodes } from './plan-nodes.ts';
import type { TriggerRule } from './trigger-rule.ts';

/**
 * A validated definition with numbers instead of names. Nodes are numbered in preorder: 0 is the root, the
 * descendants of node n are n + 1 up to (not including) its `end`. The same definition always gives the same
 * numbers, so they may be stored.
 */
export interface Plan {
  /** What the planner itself reads. */
  readonly columns: PlanColumns;
  /** The same, one object per node; made when first read. */
  readonly nodes: readonly PlanNode[];
  /** Makes the jitter of this run another than that of others. */
  readonly seed: string;
  /** How many nodes a run may have together with those of all its items. */
  readonly maxExpandedNodes: number;
  /** By their `source`: nodes that a run of only some nodes leaves out (`selectNodes`); mostly none. */
  readonly deselected: ReadonlySet<number>;
  /** From a path such as `sweep/small` (root: empty string) to the number. Made when first read. */
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
  readonly outlivesDeadline: boolean;
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
  links: LinksOfDags,
  limits: { readonly seed: string; readonly maxExpandedNodes: number },
): Plan {
  const columns = buildColumns({ name: '', dag }, links);
  let nodes: readonly PlanNode[] | null = null;
  let indexByPath: ReadonlyMap<string, number> | null = null;
  return {
    columns,
    get nodes() {
      nodes ??= planNodes(columns);
      return nodes;
    },
    ...limits,
    deselected: new Set(),
    get indexByPath() {
      indexByPath ??= new Map(
        Array.from({ length: columns.size }, (_, index) => [pathIn(columns, index), index]),
      );
      return indexByPath;
    },
  };
}
