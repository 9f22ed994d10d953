import { tellDependents } from './dependents.ts';
import type { Draft, Ending } from './draft.ts';
import type { NodeError } from './events.ts';
import { noteFailure } from './failure.ts';
import { release } from './hold.ts';
import { holdsPlace } from './node-status.ts';
import type { NodeSnapshot } from './state.ts';
import { walkBelow } from './subtree.ts';

/** Why everything inside a group is being ended. */
export type Stop =
  | { readonly kind: 'cancel'; readonly reason: string }
  | { readonly kind: 'deadline'; readonly error: NodeError; readonly cause: number }
  | {
      readonly kind: 'fail_fast';
      readonly cause: number;
      /** Ask what runs to end; otherwise it may finish. */
      readonly isCancelling: boolean;
    };

/**
 * Ends what is below a group; the group itself is up to the caller. What has not started ends at once, what
 * runs is asked to end (or, when failing fast, may be left alone but starts nothing). Skips finished branches, and
 * passes over nodes that are meant to run whatever happens, unless the deadline has come.
 */
export function stopDescendants(draft: Draft, group: number, stop: Stop): void {
  const closed: number[] = [];
  let hasPassedOver = false;
  walkBelow(draft, group, (index) => {
    if (draft.hasEnded(index)) return false;
    if (runsAnyway(draft, index, stop)) {
      hasPassedOver = true;
      return false;
    }
    const row = draft.row(index);
    const isGroup = draft.isGroup(index);
    if (isGroup && isStopped(row, stop)) return false;
    if (row.status === 'pending' || row.status === 'waiting_retry') {
      const ending = endingOfWaiting(row, stop);
      draft.close(index, ending);
      closed.push(index);
      if (ending.status === 'failed') noteFailure(draft, index, ending);
      draft.unsettle(draft.parentOf(index));
    } else if (stop.kind !== 'fail_fast' || stop.isCancelling) {
      requestStop(draft, index, stop);
    } else if (isGroup) {
      draft.patchBook(index, { draining: true });
    }
    return true;
  });
  // Only now, so that nothing is skipped that has to be cancelled; and for no others is it worth the way.
  if (hasPassedOver) for (const index of closed) tellDependents(draft, index);
}

/** Cleaning up in a DAG that has started must neither be prevented nor be interrupted halfway. */
function runsAnyway(draft: Draft, index: number, { kind }: Stop): boolean {
  if (kind === 'deadline' && !draft.outlivesDeadline(index)) return false;
  if (draft.ruleOf(index) !== 'always') return false;
  return holdsPlace(draft.statusOf(draft.parentOf(index)));
}

/** A deadline also ends what an earlier cancel has passed over. */
function isStopped({ status, stopReason }: NodeSnapshot, { kind }: Stop): boolean {
  return status === 'cancelling' && (kind !== 'deadline' || stopReason === 'deadline');
}

/** Asks a started node to end: it is `cancelling` until everything that runs in it has ended. */
export function requestStop(draft: Draft, index: number, stop: Stop): void {
  const row = draft.row(index);
  if (row.status !== 'active') return;
  release(draft, index);
  const isGroup = draft.isGroup(index);
  draft.patchRow(index, {
    status: 'cancelling',
    stopReason: stop.kind,
    reason: stop.kind === 'cancel' ? stop.reason : stop.kind === 'fail_fast' ? 'fail_fast' : null,
    error: (isGroup ? row.error : null) ?? (stop.kind === 'deadline' ? stop.error : null),
  });
  if (isGroup) return;
  draft.effects.push({ type: 'cancel_leaf', node: index, attempt: row.attempt, reason: stop.kind });
}

/** How a node that is not running ends when it is stopped. */
export function endingOfWaiting(row: NodeSnapshot, stop: Stop): Ending {
  if (stop.kind === 'cancel') return { status: 'cancelled', reason: stop.reason };
  const isCutShort = stop.kind === 'fail_fast';
  if (row.status === 'pending')
    return { status: 'skipped', reason: stop.kind, upstream: stop.cause, isCutShort };
  if (stop.kind === 'deadline') return { status: 'timed_out', error: stop.error };
  // It did not fail: it had only given its place back, or had not begun.
  if (row.reason === 'released' || row.reason === 'undelivered')
    return { status: 'cancelled', reason: stop.kind, isCutShort };
  return { status: 'failed', error: row.error };
}
