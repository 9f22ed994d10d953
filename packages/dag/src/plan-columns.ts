import type { RetryPolicy } from './definition.ts';
import { NO_RETRY } from './definition.ts';
import type { PlanForeach, PlanGroup } from './plan.ts';
import type { Links } from './sibling-links.ts';
import type { TriggerRule } from './trigger-rule.ts';
import { triggerRuleNames } from './trigger-rule.ts';

/**
 * A plan as the rules read it: one column per value instead of one object per node, because a million objects
 * cost more time to make than their run takes. Nodes are numbered as in `Plan`.
 */
export interface PlanColumns {
  readonly size: number;
  readonly names: readonly string[];
  /** -1 for the root; null where nothing is nested. */
  readonly parents: Int32Array | null;
  /** The numbers of the nodes in the definition; null where they are the same. */
  readonly sources: Int32Array | null;
  /** Positions in `triggerRuleNames`, and `GROUP_BIT` for groups; null where nothing is nested and all have the first rule. */
  readonly kinds: Uint8Array | null;
  readonly dependsOn: Links;
  readonly dependents: Links;
  /** Null for leaves; behind the last group there are none. */
  readonly groups: readonly (GroupColumns | null)[];
  /** What few nodes have; null for a plan in which none has. */
  readonly extras: ReadonlyMap<number, NodeExtras> | null;
}

export interface GroupColumns extends Omit<PlanGroup, 'layers'> {
  readonly path: string;
  readonly depth: number;
  /** One more than the number of the last descendant. */
  readonly end: number;
  readonly children: Int32Array;
}

export interface NodeExtras {
  readonly condition: boolean;
  readonly foreach: PlanForeach | null;
  readonly priority: number;
  readonly takesNoPlace: boolean;
  readonly outlivesDeadline: boolean;
  readonly retry: RetryPolicy;
  readonly timeoutMs: number | null;
}

const NO_EXTRAS: NodeExtras = {
  condition: false,
  foreach: null,
  priority: 0,
  takesNoPlace: false,
  outlivesDeadline: false,
  retry: NO_RETRY,
  timeoutMs: null,
};

export const GROUP_BIT = 64;

export function isGroupIn(columns: PlanColumns, index: number): boolean {
  const { kinds } = columns;
  return kinds === null ? groupIn(columns, index) !== null : (kinds[index]! & GROUP_BIT) !== 0;
}

export function ruleIn({ kinds }: PlanColumns, index: number): TriggerRule {
  return triggerRuleNames[kinds === null ? 0 : kinds[index]! & (GROUP_BIT - 1)]!;
}

export function extrasOf({ extras }: PlanColumns, index: number): NodeExtras {
  return extras?.get(index) ?? NO_EXTRAS;
}

/** Null for a leaf. */
export function groupIn({ groups }: PlanColumns, index: number): GroupColumns | null {
  return index < groups.length ? groups[index]! : null;
}

/** One more than the number of the last descendant. */
export function endIn(columns: PlanColumns, index: number): number {
  return groupIn(columns, index)?.end ?? index + 1;
}

/** Whether anything in it depends on the time. */
export function isTimed({ groups, extras }: PlanColumns): boolean {
  return extras !== null || groups.some((group) => group !== null && group.deadlineMs !== null);
}

export function sourceIn({ sources }: PlanColumns, index: number): number {
  return sources === null ? index : sources[index]!;
}

/** -1 for the root. */
export function parentIn({ parents }: PlanColumns, index: number): number {
  if (parents === null) return index === 0 ? -1 : 0;
  return parents[index]!;
}

export function depthIn(columns: PlanColumns, index: number): number {
  const parent = parentIn(columns, index);
  return parent < 0 ? 0 : columns.groups[parent]!.depth + 1;
}

export function pathIn(columns: PlanColumns, index: number): string {
  const parent = parentIn(columns, index);
  const name = columns.names[index]!;
  return parent < 0 ? name : joined(columns.groups[parent]!.path, name);
}

export function joined(around: string, name: string): string {
  return around === '' ? name : `${around}/${name}`;
}
