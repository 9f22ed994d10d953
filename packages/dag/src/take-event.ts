import type { Draft, Ending } from './draft.ts';
import type { NodeError, PlannerEvent } from './events.ts';
import { noteFailure } from './failure.ts';
import { pause, resume, settleHolds } from './hold.ts';
import { leafFinished } from './leaf-finished.ts';
import { holdsPlace } from './node-status.ts';
import { isPastDeadline, ownDeadlineAt } from './own-deadline.ts';
import { conditionAnswered, expanded } from './questions.ts';
import { skipDeselected } from './selection.ts';
import { finish, settle, startNode } from './settle.ts';
import type { Stop } from './stop.ts';
import { endingOfWaiting, requestStop, stopDescendants } from './stop.ts';

/** Does with a draft all that follows from an event. */
export function takeEvent(draft: Draft, event: PlannerEvent): void {
  apply(draft, event);
  settle(draft);
  while (draft.holdsChanged) {
    settleHolds(draft);
    settle(draft);
  }
}

type EventOf<T extends PlannerEvent['type']> = Extract<PlannerEvent, { type: T }>;

function apply(draft: Draft, event: PlannerEvent): void {
  switch (event.type) {
    case 'start':
      start(draft);
      break;
    case 'leaf_started':
      leafStarted(draft, event);
      break;
    case 'leaf_finished':
      leafFinished(draft, event);
      break;
    case 'condition':
      conditionAnswered(draft, event);
      break;
    case 'expanded':
      expanded(draft, event);
      break;
    case 'cancel':
      cancel(draft, event);
      break;
    case 'pause':
      pause(draft, event.node);
      break;
    case 'resume':
      resume(draft, event.node);
      break;
    case 'timer':
      timer(draft, event);
      break;
  }
}

function start(draft: Draft): void {
  if (draft.statusOf(0) !== 'pending') return;
  skipDeselected(draft, 0);
  startNode(draft, 0);
  // It may have been paused while it waited for its start.
  if (draft.isHeldOf(0)) draft.holdsChanged = true;
}

function leafStarted(draft: Draft, { node, attempt }: EventOf<'leaf_started'>): void {
  if (draft.statusOf(node) !== 'active' || draft.isGroup(node)) return;
  if (draft.attemptOf(node) !== attempt || draft.startedAtOf(node) !== null) return;
  draft.noteStart(node);
  if (draft.book(draft.parentOf(node)).isHeld || draft.isHeldOf(node)) {
    draft.patchRow(node, { pausedAt: draft.now });
    return;
  }
  const timeoutMs = draft.timeoutOf(node);
  if (timeoutMs === null) return;
  draft.setTimer({ type: 'set_timer', node, kind: 'timeout', at: draft.now + timeoutMs, attempt });
}

function cancel(draft: Draft, { node, reason }: EventOf<'cancel'>): void {
  const row = draft.row(node);
  const stop: Stop = { kind: 'cancel', reason };
  if (!draft.hasEnded(node)) resume(draft, node);
  if (row.status === 'pending' || row.status === 'waiting_retry') {
    stopDescendants(draft, node, stop);
    finish(draft, node, endingOfWaiting(row, stop));
  } else if (row.status === 'active') {
    stopStarted(draft, node, stop, { status: 'cancelled', reason });
  } else if (row.status === 'cancelling' && row.stopReason === 'timeout' && row.reason === null) {
    // It ends timed out as before, but is not tried again.
    draft.patchRow(node, { reason });
  }
}

function timer(draft: Draft, event: EventOf<'timer'>): void {
  if (event.kind === 'deadline') deadlinePassed(draft, event);
  else if (draft.attemptOf(event.node) !== event.attempt) return;
  else if (event.kind === 'retry') backoffOver(draft, event);
  else attemptTimedOut(draft, event, event.attempt);
}

function deadlinePassed(draft: Draft, event: EventOf<'timer'>): void {
  const { node } = event;
  const row = draft.row(node);
  if (!holdsPlace(row.status) || isPastDeadline(row)) return;
  const deadlineMs = draft.groupOf(node)?.deadlineMs;
  const at = ownDeadlineAt(deadlineMs, row);
  // A timer from before a pause that has moved the one around to before it.
  if (at >= draft.deadlineAround(node) || isEarly(draft, event, at)) return;
  const error: NodeError = {
    code: 'deadline',
    message: `deadline of ${deadlineMs} ms passed`,
    path: draft.pathOf(node),
  };
  const stop: Stop = { kind: 'deadline', error, cause: node };
  if (row.status === 'active') stopStarted(draft, node, stop, { status: 'timed_out', error });
  // After a cancel only that is left which the cancel has passed over.
  else stopDescendants(draft, node, stop);
}

function backoffOver(draft: Draft, event: EventOf<'timer'>): void {
  const { status, retryAt } = draft.row(event.node);
  if (status !== 'waiting_retry' || retryAt === null || isEarly(draft, event, retryAt)) return;
  draft.patchRow(event.node, { retryAt: null });
  draft.enqueue(event.node);
}

function attemptTimedOut(draft: Draft, event: EventOf<'timer'>, attempt: number): void {
  const { node } = event;
  const { status, startedAt, pausedAt = null, pausedMs = 0 } = draft.row(node);
  const timeoutMs = draft.timeoutOf(node);
  if (status !== 'active' || startedAt === null || timeoutMs === null || pausedAt !== null) return;
  if (isEarly(draft, event, startedAt + pausedMs + timeoutMs)) return;
  const error: NodeError = {
    code: 'timeout',
    message: `no end after ${timeoutMs} ms`,
    path: draft.pathOf(node),
  };
  draft.patchRow(node, { status: 'cancelling', stopReason: 'timeout', error });
  draft.effects.push({ type: 'cancel_leaf', node, attempt, reason: 'timeout' });
}

/** A timer that rings before its time is set again instead of being lost. */
function isEarly(draft: Draft, { node, kind, attempt }: EventOf<'timer'>, at: number): boolean {
  if (draft.now >= at) return false;
  draft.setTimer({ type: 'set_timer', node, kind, at, ...(attempt !== undefined && { attempt }) });
  return true;
}

/** A leaf may still complete before the kill, so only of a group is it known already how it will end. */
function stopStarted(
  draft: Draft,
  node: number,
  stop: Exclude<Stop, { kind: 'fail_fast' }>,
  ending: Ending,
): void {
  requestStop(draft, node, stop);
  if (!draft.isGroup(node)) return;
  noteFailure(draft, node, ending);
  stopDescendants(draft, node, stop);
}
