import type { Draft } from './draft.ts';
import { holdsPlace } from './node-status.ts';
import { isPastDeadline, ownDeadlineAt } from './own-deadline.ts';
import type { NodeSnapshot } from './state.ts';
import { walkBelow } from './subtree.ts';

/**
 * Pauses a node: nothing in it starts any more, and what runs is asked to halt. From when it has started, or would
 * have, its clocks stand and those of the DAGs around it: paused time counts against no timeout and no deadline.
 */
export function pause(draft: Draft, node: number): void {
  const { status, isHeld } = draft.row(node);
  if (draft.hasEnded(node) || status === 'cancelling' || isHeld === true) return;
  draft.patchRow(node, { isHeld: true });
  draft.holdsChanged = true;
}

/** Lets a node go on, with everything in it that was paused by itself. A node around it that is paused stays so. */
export function resume(draft: Draft, node: number): void {
  release(draft, node);
  if (!draft.isGroup(node)) return;
  walkBelow(draft, node, (index) => {
    release(draft, index);
    return !draft.hasEnded(index);
  });
}

/** Takes the hold of this very node away, as of one that is being ended. */
export function release(draft: Draft, node: number): void {
  if (!draft.isHeldOf(node)) return;
  const { isParked, retryAt } = draft.row(node);
  draft.patchRow(node, { isHeld: false, isParked: false });
  draft.holdsChanged = true;
  if (isParked === true && retryAt === null && !draft.hasEnded(node)) draft.enqueue(node);
}

/**
 * After holds came or went: stops and starts the clocks, tells what is to halt or to go on, and has groups looked
 * at again. Looks at everything that has started; people pause rarely.
 */
export function settleHolds(draft: Draft): void {
  draft.holdsChanged = false;
  const inside = groupsAroundHolds(draft);
  look(draft, 0, inside);
  walkBelow(draft, 0, (index) => {
    if (draft.hasEnded(index)) return false;
    return look(draft, index, inside);
  });
}

/** Groups in which something was paused that has started or would have. */
function groupsAroundHolds(draft: Draft): ReadonlySet<number> {
  const found = new Set<number>();
  walkBelow(draft, 0, (index) => {
    if (draft.hasEnded(index)) return false;
    if (draft.isHeldOf(index) && (holdsPlace(draft.statusOf(index)) || draft.row(index).isParked === true))
      for (let at = draft.parentOf(index); at >= 0 && !found.has(at); at = draft.parentOf(at)) found.add(at);
    return true;
  });
  return found;
}

/** Brings one node up to date, whose parent is already; true when it is a group that has started. */
function look(draft: Draft, index: number, inside: ReadonlySet<number>): boolean {
  const row = draft.row(index);
  const parent = draft.parentOf(index);
  const isGroup = draft.isGroup(index);
  if (!holdsPlace(row.status)) return false;
  const isPaused = row.isHeld === true || (parent >= 0 && draft.book(parent).isHeld);
  if (isPaused !== (row.isPaused === true)) {
    draft.patchRow(index, { isPaused });
    if (row.status === 'active') tell(draft, row, isPaused);
  }
  const hasRestarted = setClock(draft, index, isPaused || inside.has(index));
  if (!isGroup) {
    if (hasRestarted) armTimeout(draft, index);
    return false;
  }
  draft.patchBook(index, { isHeld: isPaused });
  moveDeadline(draft, index);
  draft.unsettle(index);
  return true;
}

function tell(draft: Draft, { node, attempt, pausedAt = null }: NodeSnapshot, isPaused: boolean): void {
  const stoodMs = pausedAt === null ? 0 : Math.max(0, draft.now - pausedAt);
  draft.effects.push(
    isPaused ? { type: 'pause_node', node, attempt } : { type: 'resume_node', node, attempt, stoodMs },
  );
}

/** True when the clock goes on after it had stood. */
function setClock(draft: Draft, index: number, stands: boolean): boolean {
  const { startedAt, pausedAt = null, pausedMs = 0 } = draft.row(index);
  if (stands === (pausedAt !== null) || startedAt === null) return false;
  if (stands) {
    draft.patchRow(index, { pausedAt: draft.now });
    return false;
  }
  draft.patchRow(index, { pausedAt: null, pausedMs: pausedMs + Math.max(0, draft.now - pausedAt!) });
  return true;
}

function armTimeout(draft: Draft, index: number): void {
  const { status, attempt, startedAt, pausedMs = 0 } = draft.row(index);
  const timeoutMs = draft.timeoutOf(index);
  if (status !== 'active' || timeoutMs === null) return;
  draft.setTimer({
    type: 'set_timer',
    node: index,
    kind: 'timeout',
    at: Math.max(draft.now, startedAt! + pausedMs + timeoutMs),
    attempt,
  });
}

function moveDeadline(draft: Draft, group: number): void {
  const row = draft.row(group);
  const around = draft.deadlineAround(group);
  const own = ownDeadlineAt(draft.groupOf(group)!.deadlineMs, row);
  draft.patchBook(group, { deadlineAt: Math.min(own, around) });
  if (own >= around || isPastDeadline(row)) return;
  draft.setTimer({ type: 'set_timer', node: group, kind: 'deadline', at: Math.max(draft.now, own) });
}
