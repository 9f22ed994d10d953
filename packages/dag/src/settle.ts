import { askFirst, tellDependents } from './dependents.ts';
import type { Draft, Ending } from './draft.ts';
import { firstNodesOf } from './expansion.ts';
import { isEnding, noteFailure } from './failure.ts';
import { isSuccess, isTerminal } from './node-status.ts';
import { nodesIn, readyFrom, withoutFirst } from './ready-queue.ts';
import type { NodeSnapshot } from './state.ts';
import { stopDescendants } from './stop.ts';
import { dependencyEnd } from './trigger-rule.ts';

/** Ends a node with everything that follows for its siblings; its parent is left in `unsettled`. */
export function finish(draft: Draft, index: number, ending: Ending): void {
  draft.close(index, ending);
  const { parent } = draft.node(index);
  if (parent < 0) {
    const { status, error } = ending;
    draft.effects.push({ type: 'finished', status, ...(error && { error }) });
    return;
  }
  draft.unsettled.push(parent);
  const failsFast = startsFailFast(draft, index, ending);
  if (failsFast) draft.patchBook(parent, { draining: true });
  tellDependents(draft, index);
  if (!isSuccess(ending.status)) noteFailure(draft, index, ending);
  if (!failsFast) return;
  const isCancelling = draft.node(parent).group!.onSiblings === 'cancel';
  stopDescendants(draft, parent, { kind: 'fail_fast', cause: index, isCancelling });
}

function startsFailFast(draft: Draft, index: number, { isCutShort }: Ending): boolean {
  // What was cut short by a fail-fast is no new failure; looking again for each would be quadratic.
  if (dependencyEnd(draft.row(index)) !== 'failure' || isCutShort) return false;
  const { parent } = draft.node(index);
  const { failPolicy, onSiblings } = draft.node(parent).group!;
  if (failPolicy !== 'fail_fast' || isEnding(draft.row(parent))) return false;
  // When already failing fast from further out, what runs in here may still have to be asked to end.
  return !draft.book(parent).draining || onSiblings === 'cancel';
}

/**
 * Works through the groups in which something happened until nothing is left to start or to end. A list
 * instead of recursion: a thousand empty-handed groups in a row must not fill the stack.
 */
export function settle(draft: Draft): void {
  for (let group = draft.unsettled.pop(); group !== undefined; group = draft.unsettled.pop()) {
    const { status } = draft.row(group);
    if (status !== 'active' && status !== 'cancelling') continue;
    fillPlaces(draft, group);
    if (draft.book(group).open === 0) finish(draft, group, endingOfGroup(draft, group));
  }
}

/** Starts the root or a nested group, or hands out a leaf. */
export function startNode(draft: Draft, index: number): void {
  if (draft.node(index).isGroup) startGroup(draft, index);
  else startLeaf(draft, index);
}

function startLeaf(draft: Draft, index: number): void {
  const attempt = draft.row(index).attempt + 1;
  draft.patchRow(index, { status: 'active', attempt, startedAt: null, reason: null, error: null });
  draft.effects.push({ type: 'start_leaf', node: index, attempt });
}

function startGroup(draft: Draft, index: number): void {
  const { parent, group } = draft.node(index);
  const { roots, deadlineMs } = group!;
  const parentDeadlineAt = parent < 0 ? Number.POSITIVE_INFINITY : draft.book(parent).deadlineAt;
  const ownDeadlineAt = deadlineMs === null ? Number.POSITIVE_INFINITY : draft.now + deadlineMs;
  draft.patchRow(index, { status: 'active', attempt: 1, startedAt: draft.now });
  if (ownDeadlineAt < parentDeadlineAt) {
    draft.effects.push({ type: 'set_timer', node: index, kind: 'deadline', at: ownDeadlineAt });
  }
  // A child may have been cancelled before its parent started, and thereby have met the rule of another one.
  const { items, ready } = draft.book(index);
  const first = items === null ? roots : firstNodesOf(items);
  const waiting = [...first, ...nodesIn(ready)].filter(
    (child) => draft.row(child).status === 'pending' && !askFirst(draft, child),
  );
  for (const child of waiting) draft.effects.push({ type: 'node_ready', node: child });
  draft.patchBook(index, {
    deadlineAt: Math.min(ownDeadlineAt, parentDeadlineAt),
    ready: readyFrom(waiting.map((node) => ({ node, priority: draft.node(node).priority }))),
  });
  draft.unsettled.push(index);
}

function fillPlaces(draft: Draft, group: number): void {
  const { maxParallel } = draft.node(group).group!;
  // What is still waiting in a group that is being ended is meant to run all the same.
  for (;;) {
    const { ready, active, deadlineAt } = draft.book(group);
    if (ready === null || draft.now >= deadlineAt) return;
    if (active >= maxParallel && !draft.node(ready.node).takesNoPlace) return;
    draft.patchBook(group, { ready: withoutFirst(ready) });
    // Ending a waiting node leaves its entry in the queue; it is dropped here.
    if (!isTerminal(draft.row(ready.node).status)) startNode(draft, ready.node);
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
