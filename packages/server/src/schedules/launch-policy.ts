import type { OverlapPolicy } from '@trainyard/protocol';

/** When planned runs of an owner may start. */
export type LaunchPolicy =
  | { readonly kind: 'schedule'; readonly overlap: OverlapPolicy }
  | { readonly kind: 'backfill'; readonly maxParallel: number };

/** A planned run that has not ended. */
export interface OpenLaunch {
  readonly id: number;
  readonly state: 'waiting' | 'starting' | 'running';
  /** Whoever was starting it has not come back. */
  readonly isAbandoned: boolean;
  readonly isCancelRequested: boolean;
}

export interface LaunchChoice {
  readonly start: readonly number[];
  readonly skip: readonly { readonly id: number; readonly reason: string }[];
  /** Runs to be cancelled, by their launch. */
  readonly cancel: readonly number[];
}

/** Planned runs that are started in one round. */
export const STARTS_PER_ROUND = 50;

/**
 * Chooses which planned runs of one owner start now.
 * @param open in the order in which they shall start; all that start or run are among them
 */
export function chooseLaunches(policy: LaunchPolicy, open: readonly OpenLaunch[]): LaunchChoice {
  // They are counted already, so nothing stands against taking them up again.
  const abandoned = open.filter(({ state, isAbandoned }) => state === 'starting' && isAbandoned);
  const waiting = open.filter(({ state }) => state === 'waiting');
  const active = open.filter(({ state }) => state !== 'waiting');
  const free = freePlaces(policy, active.length);
  const choice = { start: idsOf(abandoned), skip: [], cancel: [] };
  if (policy.kind === 'schedule' && policy.overlap === 'cancel_running') {
    return replaceRunning(choice.start, waiting, active);
  }
  return { ...choice, start: [...choice.start, ...idsOf(waiting.slice(0, free))] };
}

function freePlaces(policy: LaunchPolicy, active: number): number {
  const places =
    policy.kind === 'backfill'
      ? policy.maxParallel
      : policy.overlap === 'allow'
        ? Number.POSITIVE_INFINITY
        : 1;
  return Math.max(0, Math.min(places - active, STARTS_PER_ROUND));
}

function replaceRunning(
  abandoned: readonly number[],
  waiting: readonly OpenLaunch[],
  active: readonly OpenLaunch[],
): LaunchChoice {
  const newest = waiting.at(-1);
  if (newest === undefined) return { start: abandoned, skip: [], cancel: [] };
  const reason = 'a later one took its place before it had started';
  const cancel = active.filter(({ state, isCancelRequested }) => state === 'running' && !isCancelRequested);
  return {
    start: active.length === 0 ? [newest.id] : abandoned,
    skip: waiting.slice(0, -1).map(({ id }) => ({ id, reason })),
    cancel: idsOf(cancel),
  };
}

function idsOf(launches: readonly OpenLaunch[]): number[] {
  return launches.map(({ id }) => id);
}
