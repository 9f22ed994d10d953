import type { Effect } from './events.ts';
import { holdsPlace, isSuccess, isTerminal } from './node-status.ts';
import { PersistentVector } from './persistent-vector.ts';
import type { Plan, PlanNode } from './plan.ts';
import { readyFromSorted, startsBefore } from './ready-queue.ts';
import type { DagState, GroupBook, NodeSnapshot } from './state.ts';
import { initialSnapshot } from './state.ts';

/**
 * Rebuilds the state from stored snapshots (any order; a node without one has not started) and gives the
 * `set_timer` effects that arm its timers again, none of them before `now`. O(nodes + dependencies).
 * Throws RangeError for a snapshot of a node outside the plan.
 */
export function restoreState(
  plan: Plan,
  snapshots: Iterable<NodeSnapshot>,
  now: number,
): { readonly state: DagState; readonly effects: readonly Effect[] } {
  const { nodes } = plan;
  const rows = nodes.map(({ index }) => initialSnapshot(index));
  for (const snapshot of snapshots) {
    if (!nodes[snapshot.node])
      throw new RangeError(`snapshot of node ${snapshot.node}, which is not in the plan`);
    rows[snapshot.node] = snapshot;
  }
  const unmet = nodes.map(
    ({ dependsOn }) => dependsOn.filter((dependency) => !isSuccess(rows[dependency]!.status)).length,
  );
  const books: (GroupBook | null)[] = [];
  const effects: Effect[] = [];
  for (const node of nodes) {
    // A parent has a lower number than its children, so its book is already there.
    const around = books[node.parent] ?? null;
    books.push(node.isGroup ? bookOf(node, around, plan, rows, unmet) : null);
    const effect = timerOf(node, rows[node.index]!, around, now);
    if (effect) effects.push(effect);
  }
  const state = {
    rows: PersistentVector.from(nodes.length, (index) => rows[index]!),
    unmet: PersistentVector.from(nodes.length, (index) => unmet[index]!),
    books: PersistentVector.from(nodes.length, (index) => books[index] ?? null),
  };
  return { state, effects };
}

function bookOf(
  { index, children, group }: PlanNode,
  around: GroupBook | null,
  plan: Plan,
  rows: readonly NodeSnapshot[],
  unmet: readonly number[],
): GroupBook {
  const row = rows[index]!;
  const hasStarted = row.startedAt !== null;
  const statuses = children.map((child) => rows[child]!.status);
  const failed = statuses.some((status) => isTerminal(status) && !isSuccess(status));
  return {
    ready: hasStarted ? queueOf(children, plan, rows, unmet) : null,
    active: statuses.filter(holdsPlace).length,
    open: statuses.filter((status) => !isTerminal(status)).length,
    unsuccessful: statuses.filter((status) => isTerminal(status) && !isSuccess(status)).length,
    deadlineAt: hasStarted
      ? Math.min(around?.deadlineAt ?? Number.POSITIVE_INFINITY, ownDeadlineAt(group?.deadlineMs, row))
      : Number.POSITIVE_INFINITY,
    draining: (around?.draining ?? false) || (group!.failPolicy === 'fail_fast' && failed),
  };
}

function queueOf(
  children: readonly number[],
  plan: Plan,
  rows: readonly NodeSnapshot[],
  unmet: readonly number[],
): GroupBook['ready'] {
  const waiting = children.filter((child) => {
    const { status, retryAt } = rows[child]!;
    return status === 'pending' ? unmet[child] === 0 : status === 'waiting_retry' && retryAt === null;
  });
  const entries = waiting.map((node) => ({ node, priority: plan.nodes[node]!.priority }));
  return readyFromSorted(entries.sort((a, b) => (startsBefore(a, b) ? -1 : 1)));
}

function timerOf(node: PlanNode, row: NodeSnapshot, around: GroupBook | null, now: number): Effect | null {
  const { status, attempt, startedAt, retryAt } = row;
  const timer = (kind: 'retry' | 'timeout', at: number): Effect => ({
    type: 'set_timer',
    node: node.index,
    kind,
    at: Math.max(at, now),
    attempt,
  });
  if (status === 'waiting_retry' && retryAt !== null) return timer('retry', retryAt);
  if (status !== 'active' || startedAt === null) return null;
  if (node.timeoutMs !== null) return timer('timeout', startedAt + node.timeoutMs);
  const at = ownDeadlineAt(node.group?.deadlineMs, row);
  if (at >= (around?.deadlineAt ?? Number.POSITIVE_INFINITY)) return null;
  return { type: 'set_timer', node: node.index, kind: 'deadline', at: Math.max(at, now) };
}

function ownDeadlineAt(deadlineMs: number | null | undefined, { startedAt }: NodeSnapshot): number {
  const hasOne = deadlineMs !== null && deadlineMs !== undefined && startedAt !== null;
  return hasOne ? startedAt + deadlineMs : Number.POSITIVE_INFINITY;
}
