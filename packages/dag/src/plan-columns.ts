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
  /** -1 for the root. */
  readonly parents: Int32Array;
  /** One more than the number of the last descendant. */
  readonly ends: Int32Array;
  /** The numbers of the nodes in the definition. */
  readonly sources: Int32Array;
  /** Positions in `triggerRuleNames`, and `GROUP_BIT` for groups. */
  readonly kinds: Uint8Array;
  readonly dependsOn: Links;
  readonly dependents: Links;
  /** Null for leaves. */
  readonly groups: readonly (GroupColumns | null)[];
  /** What few nodes have; null for a plan in which none has. */
  readonly extras: ReadonlyMap<number, NodeExtras> | null;
}

export interface GroupColumns extends Omit<PlanGroup, 'layers'> {
  readonly path: string;
  readonly depth: number;
  readonly children: readonly number[];
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

export function isGroupIn({ kinds }: PlanColumns, index: number): boolean {
  return (kinds[index]! & GROUP_BIT) !== 0;
}

export function ruleIn({ kinds }: PlanColumns, index: number): TriggerRule {
  return triggerRuleNames[kinds[index]! & (GROUP_BIT - 1)]!;
}

export function extrasOf({ extras }: PlanColumns, index: number): NodeExtras {
  return extras?.get(index) ?? NO_EXTRAS;
}

export function depthIn({ parents, groups }: PlanColumns, index: number): number {
  return (groups[parents[index]!]?.depth ?? -1) + 1;
}

export function pathIn({ names, parents, groups }: PlanColumns, index: number): string {
  return joined(groups[parents[index]!]?.path ?? '', names[index]!);
}

export function joined(around: string, name: string): string {
  return around === '' ? name : `${around}/${name}`;
}
