import type { DagNode } from '../definition.ts';
import type { StopReason } from '../events.ts';
import type { NodeStatus } from '../node-status.ts';
import type { TriggerRule } from '../trigger-rule.ts';
import type { Seen } from './reference-model.testsuite.ts';

/** A node as the reference planner knows it. Groups hold their children, foreach nodes their items. */
export interface Spot {
  readonly path: string;
  readonly node: DagNode;
  readonly parent: Spot | null;
  readonly isForeach: boolean;
  readonly isGroup: boolean;
  readonly rule: TriggerRule;
  readonly isUnbounded: boolean;
  kids: Spot[];
  dependencies: Spot[];
  status: NodeStatus;
  attempt: number;
  losses: number;
  startedAt: number | null;
  startOrder: number;
  retryAt: number | null;
  stop: StopReason | null;
  reason: string | null;
  error: { readonly code: string; readonly path: string } | null;
  wasReady: boolean;
  isConditionMet: boolean;
  isExpanded: boolean;
  hasFailedFast: boolean;
  /** Somebody has paused it. */
  isHeld: boolean;
  /** It would have started since. */
  isParked: boolean;
  releases: number;
  undelivered: number;
  /** Since when its clock stands, and how long it stood before. */
  pausedAt: number | null;
  pausedMs: number;
  /** It did not end by itself but because something else in a DAG around it failed fast. */
  isCutShort: boolean;
}

export type SpotError = Spot['error'];
export type Ending = { status: NodeStatus; reason?: string | null; error?: SpotError; isCutShort?: boolean };

const HARMLESS_SKIPS = [
  'upstream_skipped',
  'trigger_rule',
  'condition',
  'not_needed',
  'empty',
  'not_selected',
];

export const holdsPlace = ({ status }: Spot): boolean => status === 'active' || status === 'cancelling';
export const isOver = (spot: Spot): boolean =>
  !holdsPlace(spot) && spot.status !== 'pending' && spot.status !== 'waiting_retry';
export const takesPlace = (spot: Spot): boolean => holdsPlace(spot) && !spot.node.takesNoPlace;
export const isEnding = (spot: Spot): boolean => spot.status === 'cancelling' || isOver(spot);
export const isItem = ({ parent }: Spot): boolean => parent?.isForeach === true;
export const isSuccess = ({ status }: Spot): boolean => status === 'completed' || status === 'stopped';
export const priorityOf = (spot: Spot): number => {
  if (spot.node.takesNoPlace) return Number.MAX_VALUE;
  return isItem(spot) ? 0 : (spot.node.priority ?? 0);
};
export const endsOf = ({ dependencies }: Spot): Seen[] => dependencies.map(endOf);

export function endOf(spot: Spot): Seen {
  if (!isOver(spot)) return null;
  if (isSuccess(spot)) return 'success';
  return spot.status === 'skipped' && HARMLESS_SKIPS.includes(spot.reason!) ? 'skip' : 'failure';
}

export function placesOf({ isForeach, node }: Spot): number {
  return Math.max(1, (isForeach ? node.foreach!.maxParallel : node.dag!.maxParallel) ?? 4);
}

/** It or a DAG around it is paused. */
export const isHalted = (spot: Spot): boolean =>
  spot.isHeld || (spot.parent !== null && isHalted(spot.parent));
export const letGo = (spot: Spot): void => {
  Object.assign(spot, { isHeld: false, isParked: false });
};
export const allIn = (spot: Spot): Spot[] => [spot, ...spot.kids.flatMap(allIn)];

/** From the start of a group; infinite for none. */
export function limitOf({ isForeach, node }: Spot): number {
  if (isForeach) return Number.POSITIVE_INFINITY;
  return Math.min(
    node.dag?.deadlineMs ?? Number.POSITIVE_INFINITY,
    node.timeoutMs || Number.POSITIVE_INFINITY,
  );
}

export function deadlineOf(group: Spot | null): number {
  if (group === null) return Number.POSITIVE_INFINITY;
  // One that has ended the group has passed for good.
  const stands = group.pausedAt !== null && !(group.status === 'cancelling' && group.stop === 'deadline');
  if (group.startedAt === null || stands) return deadlineAround(group);
  return Math.min(deadlineAround(group), group.startedAt + group.pausedMs + limitOf(group));
}

export function deadlineAround({ parent, isUnbounded }: Spot): number {
  return isUnbounded ? Number.POSITIVE_INFINITY : deadlineOf(parent);
}

/** It or a DAG around it has failed fast, unless something in between runs whatever happens. */
export function isDraining(group: Spot | null): boolean {
  if (group === null) return false;
  return group.hasFailedFast || (group.rule !== 'always' && isDraining(group.parent));
}

export function toleratedIn({ node, kids }: Spot): number {
  const { failurePolicy = 'all' } = node.foreach!;
  if (failurePolicy === 'all') return 0;
  return failurePolicy === 'any' ? Math.max(0, kids.length - 1) : failurePolicy.maxFailures;
}

export function isTolerable(foreach: Spot): boolean {
  return foreach.kids.filter((kid) => endOf(kid) === 'failure').length <= toleratedIn(foreach);
}

export function endingOfGroup({ stop, reason, error, kids }: Spot): Ending {
  if (stop === 'deadline') return { status: 'timed_out', error };
  if (stop !== null) return { status: 'cancelled', reason, error, isCutShort: stop === 'fail_fast' };
  if (error !== null) return { status: 'failed', error };
  const isCutShort = kids.some((kid) => kid.isCutShort);
  return isCutShort ? { status: 'cancelled', reason: 'fail_fast', isCutShort } : { status: 'completed' };
}

export function closeAll(spot: Spot, ending: { readonly status: NodeStatus; readonly reason: string }): void {
  if (!isOver(spot)) Object.assign(spot, ending, { error: null });
  for (const kid of spot.kids) closeAll(kid, ending);
}
