import type { Ending } from './draft.ts';
import { Draft } from './draft.ts';
import type { Effect, NodeError, PlannerEvent, Question } from './events.ts';
import type { Expansion } from './expansion.ts';
import { noteFailure } from './failure.ts';
import { leafFinished } from './leaf-finished.ts';
import { holdsPlace } from './node-status.ts';
import type { Plan } from './plan.ts';
import { conditionAnswered, expanded } from './questions.ts';
import { skipDeselected } from './selection.ts';
import { finish, settle, startNode } from './settle.ts';
import type { DagState } from './state.ts';
import type { Stop } from './stop.ts';
import { endingOfWaiting, requestStop, stopDescendants } from './stop.ts';

export interface Decision {
  readonly state: DagState;
  readonly effects: readonly Effect[];
  /** To be answered with events; none for definitions without conditions and foreach. */
  readonly questions: readonly Question[];
  /** Foreach nodes that got their items, in order; the nodes of these are behind all others. */
  readonly expansions: readonly Expansion[];
  /** Nodes whose snapshot is new and has to be stored. */
  readonly changed: readonly number[];
}

/**
 * Tells what follows from an event. Pure: `state` stays valid, nothing is read but the arguments; `now` is
 * epoch ms. Costs O(changed nodes x log), whatever the size of the tree. Events that come twice, too late or
 * for an old attempt give the same state and no effects. Throws RangeError for a node outside the plan.
 */
export function decide(plan: Plan, state: DagState, event: PlannerEvent, now: number): Decision {
  const draft = new Draft(plan, state, now);
  apply(draft, event);
  settle(draft);
  const { effects, questions, expansions } = draft;
  return { state: draft.state(), effects, questions, expansions, changed: draft.changed() };
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
    case 'timer':
      timer(draft, event);
      break;
  }
}

function start(draft: Draft): void {
  if (draft.row(0).status !== 'pending') return;
  skipDeselected(draft, draft.plan.nodes);
  startNode(draft, 0);
}

function leafStarted(draft: Draft, { node, attempt }: EventOf<'leaf_started'>): void {
  const row = draft.row(node);
  const { isGroup, timeoutMs } = draft.node(node);
  if (isGroup || row.status !== 'active' || row.attempt !== attempt || row.startedAt !== null) return;
  draft.patchRow(node, { startedAt: draft.now });
  if (timeoutMs === null) return;
  draft.effects.push({ type: 'set_timer', node, kind: 'timeout', at: draft.now + timeoutMs, attempt });
}

function cancel(draft: Draft, { node, reason }: EventOf<'cancel'>): void {
  const row = draft.row(node);
  const stop: Stop = { kind: 'cancel', reason };
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
  else if (draft.row(event.node).attempt !== event.attempt) return;
  else if (event.kind === 'retry') backoffOver(draft, event);
  else attemptTimedOut(draft, event, event.attempt);
}

function deadlinePassed(draft: Draft, event: EventOf<'timer'>): void {
  const { node } = event;
  const { status, stopReason, startedAt } = draft.row(node);
  const { path, group } = draft.node(node);
  const deadlineMs = group?.deadlineMs ?? null;
  if (!holdsPlace(status) || deadlineMs === null || startedAt === null) return;
  if (isEarly(draft, event, startedAt + deadlineMs)) return;
  const error: NodeError = { code: 'deadline', message: `deadline of ${deadlineMs} ms passed`, path };
  const stop: Stop = { kind: 'deadline', error, cause: node };
  if (status === 'active') stopStarted(draft, node, stop, { status: 'timed_out', error });
  // After a cancel only that is left which the cancel has passed over.
  else if (stopReason !== 'deadline') stopDescendants(draft, node, stop);
}

function backoffOver(draft: Draft, event: EventOf<'timer'>): void {
  const { status, retryAt } = draft.row(event.node);
  if (status !== 'waiting_retry' || retryAt === null || isEarly(draft, event, retryAt)) return;
  draft.patchRow(event.node, { retryAt: null });
  draft.enqueue(event.node);
}

function attemptTimedOut(draft: Draft, event: EventOf<'timer'>, attempt: number): void {
  const { node } = event;
  const { status, startedAt } = draft.row(node);
  const { path, timeoutMs } = draft.node(node);
  if (status !== 'active' || startedAt === null || timeoutMs === null) return;
  if (isEarly(draft, event, startedAt + timeoutMs)) return;
  const error: NodeError = { code: 'timeout', message: `no end after ${timeoutMs} ms`, path };
  draft.patchRow(node, { status: 'cancelling', stopReason: 'timeout', error });
  draft.effects.push({ type: 'cancel_leaf', node, attempt, reason: 'timeout' });
}

/** A timer that rings before its time is set again instead of being lost. */
function isEarly(draft: Draft, { node, kind, attempt }: EventOf<'timer'>, at: number): boolean {
  if (draft.now >= at) return false;
  draft.effects.push({ type: 'set_timer', node, kind, at, ...(attempt !== undefined && { attempt }) });
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
  if (!draft.node(node).isGroup) return;
  noteFailure(draft, node, ending);
  stopDescendants(draft, node, stop);
}
