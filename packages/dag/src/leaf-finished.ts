import { LOST_BUDGET, UNDELIVERED_BUDGET } from './definition.ts';
import type { Draft, Ending, RowPatch } from './draft.ts';
import type { NodeError, PlannerEvent } from './events.ts';
import { isRetried, triesUsed } from './retry-cause.ts';
import { chanceOf, retryDelayMs } from './retry-delay.ts';
import { finish } from './settle.ts';
import type { NodeSnapshot } from './state.ts';

type LeafFinished = Extract<PlannerEvent, { type: 'leaf_finished' }>;

/** Ends a leaf, or lets it wait for another try. */
export function leafFinished(draft: Draft, event: LeafFinished): void {
  const { node, outcome } = event;
  const status = draft.statusOf(node);
  if (draft.isGroup(node) || draft.attemptOf(node) !== event.attempt) return;
  if (status === 'cancelling') {
    const row = draft.row(node);
    const isDone = outcome === 'completed' || outcome === 'stopped';
    const ending: Ending = isDone ? { status: outcome } : endingOfStopped(row);
    // A timeout that was cancelled meanwhile has a reason.
    const mayTryAgain = ending.status === 'timed_out' && row.stopReason === 'timeout' && row.reason === null;
    if (mayTryAgain) tryAgainOrFinish(draft, { ...event, outcome: 'timed_out' }, ending);
    else finish(draft, node, ending);
  } else if (status === 'active' && outcome === 'completed') {
    // The usual case, without looking at what else there is of it.
    finish(draft, node, COMPLETED);
  } else if (status === 'active') {
    const { lostCount, releasedCount = 0, undeliveredCount = 0 } = draft.row(node);
    if (outcome === 'released') {
      goOnLater(draft, node, { reason: outcome, releasedCount: releasedCount + 1 });
      return;
    }
    if (outcome === 'undelivered' && undeliveredCount < UNDELIVERED_BUDGET) {
      goOnLater(draft, node, { reason: outcome, undeliveredCount: undeliveredCount + 1 });
      return;
    }
    const isLost = outcome === 'lost' || outcome === 'undelivered';
    if (isLost) draft.patchRow(node, { lostCount: lostCount + 1 });
    const counted: LeafFinished = isLost ? { ...event, outcome: 'lost' } : event;
    const ending = naturalEnding(draft, counted);
    tryAgainOrFinish(draft, counted, ending);
  }
}

const COMPLETED: Ending = { status: 'completed' };
const STOPPED: Ending = { status: 'stopped' };

function naturalEnding(draft: Draft, { node, outcome, error }: LeafFinished): Ending {
  const path = draft.pathOf(node);
  const because = (code: string, message: string): NodeError => ({ code, message, ...error, path });
  switch (outcome) {
    case 'completed':
      return COMPLETED;
    case 'stopped':
      return STOPPED;
    case 'cancelled':
      return { status: 'cancelled', reason: error?.message ?? 'ended by its executor' };
    case 'timed_out':
      return { status: 'timed_out', error: because('timeout', 'its executor ended it for running too long') };
    case 'failed':
      return { status: 'failed', error: because('failed', 'no reason was given') };
    case 'released':
    case 'undelivered':
    case 'lost': {
      const message = error?.message ?? 'its machine or agent was not heard of any more';
      return { status: 'failed', error: { code: 'lost', message, path } };
    }
  }
}

function tryAgainOrFinish(draft: Draft, event: LeafFinished, ending: Ending): void {
  const next = tryAgain(draft, event, ending);
  // Otherwise nobody could see why tries are left.
  if (next !== 'again')
    finish(draft, event.node, next === 'too_late' ? { ...ending, reason: 'deadline' } : ending);
}

/** `no` when no try is left, `too_late` when it could not start before everything around it ends. */
function tryAgain(
  draft: Draft,
  { node, attempt, outcome, isFinal = false }: LeafFinished,
  { error = null }: Ending,
): 'again' | 'no' | 'too_late' {
  if (isFinal) return 'no';
  if (outcome !== 'failed' && outcome !== 'lost' && outcome !== 'timed_out') return 'no';
  const row = draft.row(node);
  const parent = draft.parentOf(node);
  const retry = draft.retryOf(node);
  const { draining, deadlineAt } = draft.book(parent);
  const failures = triesUsed(row);
  const isFree = outcome === 'lost' && row.lostCount <= LOST_BUDGET;
  const hasTryLeft = isFree || (failures < retry.attempts && isRetried(retry, outcome, error));
  const delayMs = isFree
    ? 0
    : retryDelayMs(retry, failures, () => chanceOf(`${draft.plan.seed}\n${draft.pathOf(node)}\n${attempt}`));
  const retryAt = draft.now + delayMs;
  const isOver = (draining || draft.statusOf(parent) !== 'active') && draft.ruleOf(node) !== 'always';
  if (!hasTryLeft || isOver) return 'no';
  if (retryAt >= deadlineAt && !draft.outlivesDeadline(node)) return 'too_late';
  draft.patchRow(node, {
    status: 'waiting_retry',
    startedAt: null,
    ...NO_PAUSE,
    ...(draft.isHeldOf(node) && { isParked: true }),
    stopReason: null,
    retryAt: delayMs > 0 ? retryAt : null,
    reason: outcome,
    error,
  });
  if (delayMs > 0) {
    draft.setTimer({ type: 'set_timer', node, kind: 'retry', at: retryAt, attempt });
    draft.unsettle(parent);
  } else {
    draft.enqueue(node);
  }
  return 'again';
}

/** Of an attempt that has not started. */
const NO_PAUSE = { isPaused: false, pausedAt: null, pausedMs: 0 } as const;

/**
 * Its attempt gave its place back for a pause, or nothing of it ran. The next one goes on from there; it is no try of
 * its retries.
 */
function goOnLater(
  draft: Draft,
  node: number,
  why: Pick<RowPatch, 'releasedCount' | 'undeliveredCount'> & { readonly reason: string },
): void {
  const parent = draft.parentOf(node);
  const isOver = draft.statusOf(parent) !== 'active' || draft.book(parent).draining;
  if (isOver && draft.ruleOf(node) !== 'always') {
    finish(draft, node, { status: 'cancelled', reason: 'fail_fast', isCutShort: true });
    return;
  }
  draft.patchRow(node, {
    status: 'waiting_retry',
    startedAt: null,
    ...NO_PAUSE,
    ...why,
    error: null,
  });
  draft.enqueue(node);
}

function endingOfStopped({ stopReason, reason, error }: NodeSnapshot): Ending {
  const isCancelled = stopReason === 'cancel' || stopReason === 'fail_fast';
  const isCutShort = stopReason === 'fail_fast';
  return isCancelled ? { status: 'cancelled', reason, isCutShort } : { status: 'timed_out', error };
}
