import { askFirst, tellDependents } from './dependents.ts';
import type { Draft, Ending } from './draft.ts';
import { firstNodesOf } from './expansion.ts';
import { isEnding, noteFailure } from './failure.ts';
import { isSuccess } from './node-status.ts';
import type { NodeSnapshot } from './state.ts';
import { stopDescendants } from './stop.ts';

/** Ends a node with everything that follows for its siblings; its parent is left in `unsettled`. */
export function finish(draft: Draft, index: number, ending: Ending): void {
  draft.close(index, ending);
  const parent = draft.parentOf(index);
  if (parent < 0) {
    const { status, error } = ending;
    draft.effects.push({ type: 'finished', status, ...(error && { error }) });
    return;
  }
  draft.unsettle(parent);
  const failsFast = startsFailFast(draft, index, ending);
  if (failsFast) draft.patchBook(parent, { draining: true });
  tellDependents(draft, index);
  if (!isSuccess(ending.status)) noteFailure(draft, index, ending);
  if (!failsFast) return;
  const isCancelling = draft.groupOf(parent)!.onSiblings === 'cancel';
  stopDescendants(draft, parent, { kind: 'fail_fast', cause: index, isCancelling });
}

function startsFailFast(draft: Draft, index: number, { isCutShort }: Ending): boolean {
  // What was cut short by a fail-fast is no new failure; looking again for each would be quadratic.
  if (draft.dependencyEndOf(index) !== 'failure' || isCutShort) return false;
  const parent = draft.parentOf(index);
  const { failPolicy, onSiblings } = draft.groupOf(parent)!;
  if (failPolicy !== 'fail_fast' || isEnding(draft.statusOf(parent))) return false;
  // When already failing fast from further out, what runs in here may still have to be asked to end.
  return !draft.book(parent).draining || onSiblings === 'cancel';
}

/**
 * Works through the groups in which something happened until nothing is left to start or to end, or until a hold
 * came or went: then clocks go on that may have run out, and nothing may start before they are looked at. A list
 * instead of recursion: a thousand empty-handed groups in a row must not fill the stack.
 */
export function settle(draft: Draft): void {
  while (!draft.holdsChanged) {
    const group = draft.unsettled.pop();
    if (group === undefined) return;
    const status = draft.statusOf(group);
    if (status !== 'active' && status !== 'cancelling') continue;
    fillPlaces(draft, group);
    if (draft.book(group).open === 0) finish(draft, group, endingOfGroup(draft, group));
  }
}

/** Starts the root or a nested group, or hands out a leaf. */
export function startNode(draft: Draft, index: number): void {
  if (draft.isGroup(index)) startGroup(draft, index);
  else draft.startLeaf(index);
}

function startGroup(draft: Draft, index: number): void {
  const { roots, deadlineMs } = draft.groupOf(index)!;
  const parentDeadlineAt = draft.deadlineAround(index);
  const ownDeadlineAt = deadlineMs === null ? Number.POSITIVE_INFINITY : draft.now + deadlineMs;
  draft.patchRow(index, { status: 'active', attempt: 1, startedAt: draft.now });
  if (ownDeadlineAt < parentDeadlineAt) {
    draft.setTimer({ type: 'set_timer', node: index, kind: 'deadline', at: ownDeadlineAt });
  }
  // A child may have been cancelled before its parent started, and thereby have met the rule of another one.
  const { items } = draft.book(index);
  const first = items === null ? roots : firstNodesOf(items);
  // A queue gives its nodes in no order; what is announced must not depend on how it is kept.
  const beside = draft.readyIn(index).toSorted((a, b) => a - b);
  const waiting = [...first, ...beside].filter(
    (child) => draft.statusOf(child) === 'pending' && !askFirst(draft, child),
  );
  for (const child of waiting) draft.announceReady(child);
  draft.patchBook(index, { deadlineAt: Math.min(ownDeadlineAt, parentDeadlineAt) });
  draft.replaceReady(index, waiting);
  draft.unsettle(index);
}

function fillPlaces(draft: Draft, group: number): void {
  const { maxParallel } = draft.groupOf(group)!;
  // What is still waiting in a group that is being ended is meant to run all the same.
  for (;;) {
    const { active, deadlineAt, isHeld } = draft.book(group);
    if (isHeld) return;
    const next = draft.firstReady(group);
    if (next < 0) return;
    if (!draft.hasEnded(next)) {
      if (draft.now >= deadlineAt && !draft.outlivesDeadline(next)) return;
      if (active >= maxParallel && !draft.takesNoPlace(next)) return;
    }
    draft.takeReady(group);
    // Ending a waiting node leaves its entry in the queue; it is dropped here, and holds up nobody behind it.
    if (draft.hasEnded(next)) continue;
    if (draft.isHeldOf(next)) draft.park(next);
    else startNode(draft, next);
  }
}

/** In a group that knows no failure: an enclosing fail_fast left a child undone, or else a foreach tolerates all. */
function hasCutShort(draft: Draft, group: number): boolean {
  const { failures, items, draining } = draft.book(group);
  if (failures === 0 || items === null) return failures > 0;
  const wasCutShort = ({ status, stopReason }: NodeSnapshot): boolean =>
    !isSuccess(status) && stopReason === 'fail_fast';
  return draining && firstNodesOf(items).some((item) => wasCutShort(draft.row(item)));
}

function endingOfGroup(draft: Draft, group: number): Ending {
  const { stopReason, reason, error } = draft.row(group);
  if (stopReason === 'cancel' || stopReason === 'fail_fast')
    return { status: 'cancelled', reason, error, isCutShort: stopReason === 'fail_fast' };
  if (stopReason === 'deadline') return { status: 'timed_out', error };
  if (error !== null) return { status: 'failed', error };
  return hasCutShort(draft, group)
    ? { status: 'cancelled', reason: 'fail_fast', isCutShort: true }
    : { status: 'completed' };
}
