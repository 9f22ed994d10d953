import { isAsked } from './conditions.ts';
import type { Effect, Question } from './events.ts';
import { holdsPlace, isTerminal } from './node-status.ts';
import { PersistentVector } from './persistent-vector.ts';
import type { Plan, PlanNode } from './plan.ts';
import { readyFrom } from './ready-queue.ts';
import type { DagState, GroupBook, NodeSnapshot } from './state.ts';
import { initialSnapshot } from './state.ts';
import type { Tally } from './trigger-rule.ts';
import { dependencyEnd, initialTally, judge, tallyEnd } from './trigger-rule.ts';

export interface Restored {
  readonly state: DagState;
  readonly effects: readonly Effect[];
  /** What was asked and has not been answered. */
  readonly questions: readonly Question[];
}

/**
 * Rebuilds the state from stored snapshots (any order; a node without one has not started) and gives the
 * `set_timer` effects that arm its timers again, none of them before `now`. O(nodes + dependencies).
 * Throws RangeError for a snapshot of a node outside the plan.
 */
export function restoreState(plan: Plan, snapshots: Iterable<NodeSnapshot>, now: number): Restored {
  const { nodes } = plan;
  const rows = nodes.map(({ index }) => initialSnapshot(index));
  for (const snapshot of snapshots) {
    if (!nodes[snapshot.node])
      throw new RangeError(`snapshot of node ${snapshot.node}, which is not in the plan`);
    rows[snapshot.node] = snapshot;
  }
  const tallies = nodes.map(({ dependsOn }) => tallyOf(dependsOn, rows));
  const books: (GroupBook | null)[] = [];
  const effects: Effect[] = [];
  const questions: Question[] = [];
  for (const node of nodes) {
    // A parent has a lower number than its children, so its book is already there.
    const around = books[node.parent] ?? null;
    books.push(node.isGroup ? bookOf(node, around, plan, rows, tallies) : null);
    const effect = timerOf(node, rows[node.index]!, around, now);
    if (effect) effects.push(effect);
    const parent = rows[node.parent];
    if (parent && isAsked(node, rows[node.index]!, tallies[node.index]!, parent))
      questions.push({ type: 'evaluate_condition', node: node.index });
  }
  const state = {
    rows: PersistentVector.from(nodes.length, (index) => rows[index]!),
    tallies: PersistentVector.from(nodes.length, (index) => tallies[index]!),
    books: PersistentVector.from(nodes.length, (index) => books[index] ?? null),
  };
  return { state, effects, questions };
}

function tallyOf(dependsOn: readonly number[], rows: readonly NodeSnapshot[]): Tally {
  let tally = initialTally(dependsOn.length);
  for (const dependency of dependsOn) {
    const row = rows[dependency]!;
    if (isTerminal(row.status)) tally = tallyEnd(tally, dependencyEnd(row));
  }
  return tally;
}

function bookOf(
  { index, children, group, triggerRule }: PlanNode,
  around: GroupBook | null,
  plan: Plan,
  rows: readonly NodeSnapshot[],
  tallies: readonly Tally[],
): GroupBook {
  const row = rows[index]!;
  const hasStarted = row.startedAt !== null;
  const statuses = children.map((child) => rows[child]!.status);
  const failures = children.filter((child) => {
    const childRow = rows[child]!;
    return isTerminal(childRow.status) && dependencyEnd(childRow) === 'failure';
  }).length;
  return {
    ready: queueOf(children, plan, rows, tallies, hasStarted),
    active: statuses.filter(holdsPlace).length,
    open: statuses.filter((status) => !isTerminal(status)).length,
    failures,
    deadlineAt: hasStarted
      ? Math.min(around?.deadlineAt ?? Number.POSITIVE_INFINITY, ownDeadlineAt(group?.deadlineMs, row))
      : Number.POSITIVE_INFINITY,
    draining:
      (triggerRule !== 'always' && (around?.draining ?? false)) ||
      (group!.failPolicy === 'fail_fast' && failures > 0),
  };
}

function queueOf(
  children: readonly number[],
  plan: Plan,
  rows: readonly NodeSnapshot[],
  tallies: readonly Tally[],
  hasStarted: boolean,
): GroupBook['ready'] {
  const waiting = children.filter((child) => {
    const { status, retryAt, conditionMet } = rows[child]!;
    const { triggerRule, condition, dependencyCount } = plan.nodes[child]!;
    if (status !== 'pending') return status === 'waiting_retry' && retryAt === null;
    if (judge(triggerRule, tallies[child]!) !== 'run') return false;
    return hasStarted ? !condition || conditionMet === true : dependencyCount > 0;
  });
  return readyFrom(waiting.map((node) => ({ node, priority: plan.nodes[node]!.priority })));
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
  if (startedAt === null || !holdsPlace(status)) return null;
  // Of a cancelled group the deadline still counts, for what the cancel has passed over.
  if (status === 'cancelling' && !(node.isGroup && row.stopReason !== 'deadline')) return null;
  if (node.timeoutMs !== null) return timer('timeout', startedAt + node.timeoutMs);
  const at = ownDeadlineAt(node.group?.deadlineMs, row);
  if (at >= (around?.deadlineAt ?? Number.POSITIVE_INFINITY)) return null;
  return { type: 'set_timer', node: node.index, kind: 'deadline', at: Math.max(at, now) };
}

function ownDeadlineAt(deadlineMs: number | null | undefined, { startedAt }: NodeSnapshot): number {
  const hasOne = deadlineMs !== null && deadlineMs !== undefined && startedAt !== null;
  return hasOne ? startedAt + deadlineMs : Number.POSITIVE_INFINITY;
}
