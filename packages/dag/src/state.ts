import type { Effect, NodeError, StopReason } from './events.ts';
import type { Expansion, ItemBlock } from './expansion.ts';
import type { NodeStatus } from './node-status.ts';
import { PersistentVector } from './persistent-vector.ts';
import type { Plan, PlanNode } from './plan.ts';
import { groupIn } from './plan-columns.ts';
import type { ReadyQueue } from './ready-queue.ts';
import { linkCount } from './sibling-links.ts';
import type { Tally } from './trigger-rule.ts';
import { initialTally } from './trigger-rule.ts';

/** Everything that the planner knows about a run. Immutable: `decide` gives a new one. */
export interface DagState {
  readonly rows: PersistentVector<NodeSnapshot>;
  /** Per node: how its dependencies ended so far. Derived from the rows. */
  readonly tallies: PersistentVector<Tally>;
  /** Per group (null for leaves). Derived from the rows. */
  readonly books: PersistentVector<GroupBook | null>;
  /** The nodes of all items; the first one has the number behind the last of the plan. Derived. */
  readonly grown: PersistentVector<PlanNode>;
  readonly expansions: PersistentVector<Expansion>;
}

/** All that has to be stored of a node to rebuild the state with `restoreState`. Instants are epoch ms. */
export interface NodeSnapshot {
  readonly node: number;
  readonly status: NodeStatus;
  /** How often the node was handed out; a group has 1 once started. */
  readonly attempt: number;
  /** How many of these attempts were lost with their infrastructure. */
  readonly lostCount: number;
  /** Leaf: `leaf_started` of the current attempt. Group: its start. */
  readonly startedAt: number | null;
  /** While waiting_retry: when the back-off ends; null once it is over. */
  readonly retryAt: number | null;
  /** Why it is, or was, ended before its time. */
  readonly stopReason: StopReason | null;
  /** Cancelled or cancelling: the text given. Skipped: one of `skipReasons`. */
  readonly reason: string | null;
  /** True once the condition was answered so; missing means false. */
  readonly conditionMet?: boolean;
  /** Leaf: error of the last attempt. Group: the first failure inside it, known before the group ends. */
  readonly error: NodeError | null;
  /** Of a skipped node: the node whose end caused it. */
  readonly upstream: number | null;
  /** Somebody has paused this very node; missing means false, as below. */
  readonly isHeld?: boolean;
  /** It would have started, but is paused: it stands in no queue until it goes on. */
  readonly isParked?: boolean;
  /** Started, and it or a node around it is paused. */
  readonly isPaused?: boolean;
  /** Since when the clock of its timeout or deadline stands; null or missing while it goes. */
  readonly pausedAt?: number | null;
  /** How long the clock stood before. */
  readonly pausedMs?: number;
  /** How many attempts gave their place back for a pause. */
  readonly releasedCount?: number;
  /** How many attempts never got to where they were to run. */
  readonly undeliveredCount?: number;
}

/** What a group keeps about its children so that no decision has to look at all of them. */
export interface GroupBook {
  /** Of a group that has not started: what is ready beside its roots. */
  readonly ready: ReadyQueue;
  /** Children that hold a place. */
  readonly active: number;
  /** Children that are not terminal. */
  readonly open: number;
  /** Terminal children that count as failures. */
  readonly failures: number;
  /** The earliest deadline of this group and all around it; Infinity for none. */
  readonly deadlineAt: number;
  /** An enclosing fail_fast group (or this one) has failed: nothing starts here any more. */
  readonly draining: boolean;
  /** It or a group around it is paused: nothing starts here until that is over. */
  readonly isHeld: boolean;
  /** Of a foreach: its items; null before it has any. Derived from the expansions. */
  readonly items: ItemBlock | null;
}

/** Nothing started yet; send the `start` event. */
export function initialState(plan: Plan): DagState {
  const { columns } = plan;
  const { size, dependsOn } = columns;
  return {
    rows: PersistentVector.from(size, initialSnapshot),
    tallies: PersistentVector.from(size, (index) => initialTally(linkCount(dependsOn, index))),
    books: PersistentVector.from(size, (index) => {
      const group = groupIn(columns, index);
      return group && initialBook(group.children.length);
    }),
    grown: PersistentVector.from(0, noNode),
    expansions: PersistentVector.from(0, noNode),
  };
}

/** The row of a node as it has to be stored. Throws RangeError for a node outside the plan. */
export function nodeSnapshot(state: DagState, node: number): NodeSnapshot {
  return state.rows.get(node);
}

function noNode(index: number): never {
  throw new RangeError(`there is no ${index} yet`);
}

export function initialSnapshot(node: number): NodeSnapshot {
  return {
    node,
    status: 'pending',
    attempt: 0,
    lostCount: 0,
    startedAt: null,
    retryAt: null,
    stopReason: null,
    reason: null,
    error: null,
    upstream: null,
  };
}

export function initialBook(childCount: number): GroupBook {
  return {
    ready: null,
    active: 0,
    open: childCount,
    failures: 0,
    deadlineAt: Number.POSITIVE_INFINITY,
    draining: false,
    isHeld: false,
    items: null,
  };
}

/** Announces the status of a row. */
export function statusEffect({ node, status, reason, error, upstream }: NodeSnapshot): Effect {
  return {
    type: 'node_status',
    node,
    status,
    ...(reason !== null && { reason }),
    ...(error !== null && { error }),
    ...(upstream !== null && { upstream }),
  };
}
