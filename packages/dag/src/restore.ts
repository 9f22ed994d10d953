import type { Effect, Question } from './events.ts';
import type { Expansion, ItemBlock } from './expansion.ts';
import { firstNodesOf, itemNodes } from './expansion.ts';
import { holdsPlace, isTerminal } from './node-status.ts';
import { ownDeadlineAt } from './own-deadline.ts';
import { PersistentVector } from './persistent-vector.ts';
import type { Plan, PlanNode } from './plan.ts';
import { openQuestion } from './questions.ts';
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
 * Rebuilds the state from stored snapshots (any order; a node without one has not started) and expansions (in
 * the order in which decisions gave them), and gives the
 * `set_timer` effects that arm its timers again, none of them before `now`. O(nodes + dependencies).
 * Throws RangeError for a snapshot of a node outside the plan.
 */
export function restoreState(
  plan: Plan,
  snapshots: Iterable<NodeSnapshot>,
  now: number,
  expansions: readonly Expansion[] = [],
): Restored {
  const { nodes, blocks } = grow(plan, expansions);
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
    const parentBook = books[node.parent] ?? null;
    const around =
      parentBook !== null && node.outlivesDeadline
        ? { ...parentBook, deadlineAt: Number.POSITIVE_INFINITY }
        : parentBook;
    books.push(node.isGroup ? bookOf(node, around, blocks, nodes, rows, tallies) : null);
    const effect = timerOf(node, rows[node.index]!, around, now);
    if (effect) effects.push(effect);
    const parent = rows[node.parent];
    if (!parent) continue;
    const { index } = node;
    const question = openQuestion(rows[index]!, node, {
      tally: tallies[index]!,
      hasItems: blocks.has(index),
      isInStarted: parent.startedAt !== null,
    });
    if (question) questions.push(question);
  }
  const state = {
    rows: PersistentVector.from(nodes.length, (index) => rows[index]!),
    tallies: PersistentVector.from(nodes.length, (index) => tallies[index]!),
    books: PersistentVector.from(nodes.length, (index) => books[index] ?? null),
    grown: PersistentVector.from(nodes.length - plan.nodes.length, (at) => nodes[plan.nodes.length + at]!),
    expansions: PersistentVector.from(expansions.length, (at) => expansions[at]!),
  };
  return { state, effects, questions };
}

function grow(
  plan: Plan,
  expansions: readonly Expansion[],
): { readonly nodes: readonly PlanNode[]; readonly blocks: ReadonlyMap<number, ItemBlock> } {
  const blocks = new Map<number, ItemBlock>();
  if (expansions.length === 0) return { nodes: plan.nodes, blocks };
  const nodes = [...plan.nodes];
  for (const { node, count } of expansions) {
    const foreach = nodes[node];
    if (!foreach?.foreach) throw new RangeError(`expansion of node ${node}, which is no foreach of the plan`);
    blocks.set(node, { first: nodes.length, count, size: foreach.foreach.template.length });
    for (const added of itemNodes(foreach, count, nodes.length)) nodes.push(added);
  }
  return { nodes, blocks };
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
  { index, children: planned, group, triggerRule }: PlanNode,
  around: GroupBook | null,
  blocks: ReadonlyMap<number, ItemBlock>,
  nodes: readonly PlanNode[],
  rows: readonly NodeSnapshot[],
  tallies: readonly Tally[],
): GroupBook {
  const row = rows[index]!;
  const items = blocks.get(index) ?? null;
  const hasStarted = row.startedAt !== null;
  const children = items === null ? planned : firstNodesOf(items);
  const statuses = children.map((child) => rows[child]!.status);
  const failures = children.filter((child) => {
    const childRow = rows[child]!;
    return isTerminal(childRow.status) && dependencyEnd(childRow) === 'failure';
  }).length;
  return {
    ready: queueOf(children, nodes, rows, tallies, blocks, hasStarted),
    active: statuses.filter((status, at) => holdsPlace(status) && !nodes[children[at]!]!.takesNoPlace).length,
    open: statuses.filter((status) => !isTerminal(status)).length,
    failures,
    deadlineAt: hasStarted
      ? Math.min(around?.deadlineAt ?? Number.POSITIVE_INFINITY, ownDeadlineAt(group?.deadlineMs, row))
      : Number.POSITIVE_INFINITY,
    items,
    isHeld: row.isPaused === true,
    draining:
      (triggerRule !== 'always' && (around?.draining ?? false)) ||
      (group!.failPolicy === 'fail_fast' && failures > 0),
  };
}

function queueOf(
  children: readonly number[],
  nodes: readonly PlanNode[],
  rows: readonly NodeSnapshot[],
  tallies: readonly Tally[],
  blocks: ReadonlyMap<number, ItemBlock>,
  hasStarted: boolean,
): GroupBook['ready'] {
  const waiting = children.filter((child) => {
    const { status, retryAt, conditionMet } = rows[child]!;
    const { triggerRule, condition, foreach, dependencyCount } = nodes[child]!;
    if (rows[child]!.isParked === true) return false;
    if (status !== 'pending') return status === 'waiting_retry' && retryAt === null;
    if (judge(triggerRule, tallies[child]!) !== 'run') return false;
    if (!hasStarted) return dependencyCount > 0;
    return (!condition || conditionMet === true) && (foreach === null || blocks.has(child));
  });
  return readyFrom(waiting.map((node) => ({ node, priority: nodes[node]!.priority })));
}

function timerOf(node: PlanNode, row: NodeSnapshot, around: GroupBook | null, now: number): Effect | null {
  const { status, attempt, startedAt, retryAt, pausedAt = null, pausedMs = 0 } = row;
  const timer = (kind: 'retry' | 'timeout', at: number): Effect => ({
    type: 'set_timer',
    node: node.index,
    kind,
    at: Math.max(at, now),
    attempt,
  });
  if (status === 'waiting_retry' && retryAt !== null) return timer('retry', retryAt);
  if (startedAt === null || pausedAt !== null || !holdsPlace(status)) return null;
  // Of a cancelled group the deadline still counts, for what the cancel has passed over.
  if (status === 'cancelling' && !(node.isGroup && row.stopReason !== 'deadline')) return null;
  if (node.timeoutMs !== null) return timer('timeout', startedAt + pausedMs + node.timeoutMs);
  const at = ownDeadlineAt(node.group?.deadlineMs, row);
  if (at >= (around?.deadlineAt ?? Number.POSITIVE_INFINITY)) return null;
  return { type: 'set_timer', node: node.index, kind: 'deadline', at: Math.max(at, now) };
}
