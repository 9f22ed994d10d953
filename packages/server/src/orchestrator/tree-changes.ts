import { type Expansion, nodeCount } from '@trainyard/dag';
import type {
  AttemptSpec,
  DiagnosisPlan,
  EarlyStoppingDefinition,
  EventType,
  JsonValue,
  PauseMode,
  RunError,
  RunEvent,
  RunStatus,
} from '@trainyard/protocol';
import type { AttemptUpdate } from '../attempts/attempt-update.ts';
import type { Lease } from '../attempts/open-calls.ts';
import type { NewCacheEntry } from '../cache/stage-cache.ts';
import { type AttemptLimit, replacingGroup } from '../limits/attempt-limit.ts';
import type { NewApproval, Settlement } from '../store/approvals.ts';
import { instantText } from '../store/instant-text.ts';
import type { DueKind } from './due-timer.ts';
import type { Lookup } from './lookups.ts';
import { addRuns, childrenOf, countLeaf, isCounted, nodeAt, type OwnedTree } from './owned-tree.ts';

export interface NewAttempt {
  readonly node: number;
  readonly number: number;
  readonly queue: string;
  readonly priority: number;
  readonly gpus: number;
  /** What an agent must have among its labels; null: any agent. */
  readonly labels: Readonly<Record<string, string>> | null;
  /** Pools and group that it takes part in; null when none. */
  readonly limits: readonly AttemptLimit[] | null;
  /** By when an agent has to have claimed it; left out: it may wait for ever. */
  readonly claimByMs?: number;
  /** With what is looked for in its metrics, which is no matter of the agent. */
  readonly spec: AttemptSpec & {
    readonly diagnosis?: DiagnosisPlan;
    readonly earlyStopping?: EarlyStoppingDefinition;
  };
}

export interface TimerRequest {
  readonly atMs: number;
  readonly node: number;
  readonly kind: DueKind;
  readonly attempt: number | undefined;
}

/** An attempt that is stored as claimed. */
export interface StoredLease extends Lease {
  readonly attemptId: string;
}

/** A leaf that was handed out and has not been started. */
export interface WaitingLeaf {
  readonly node: number;
  readonly attempt: number;
}

/** What a tick has to write for one tree. The tree in memory already shows it. */
export class TreeChanges {
  readonly tree: OwnedTree;
  readonly events: RunEvent[] = [];
  readonly attempts: NewAttempt[] = [];
  /** Of the new attempts those that are given to an agent at once. */
  readonly leases = new Map<NewAttempt, StoredLease>();
  /** What agents reported of attempts. */
  readonly updates: AttemptUpdate[] = [];
  /** Facts of the inbox that were taken in with reports instead of being read. */
  readonly takenFacts: number[] = [];
  /** Attempts that are to end; with an error where that is no cancel but a time-out. */
  readonly cancels: { readonly node: number; readonly attempt: number; readonly error: RunError | null }[] =
    [];
  /** Attempts that have waited long enough, if no agent has them by now. */
  readonly unclaimed: { readonly node: number; readonly attempt: number; readonly error: RunError }[] = [];
  /** Attempts that are to halt, in which way, or (null) to go on. */
  readonly pauses: { readonly node: number; readonly attempt: number; readonly mode: PauseMode | null }[] =
    [];
  /** Asked for by the fact that is being taken in. */
  pauseMode: PauseMode = 'auto';
  /** Approvals whose timeout moves by the time for which they were paused. */
  readonly approvalShifts: { readonly node: number; readonly byMs: number }[] = [];
  readonly approvals: NewApproval[] = [];
  /** Approvals that are to end or to be escalated, if nobody was faster. */
  readonly settlements: Settlement[] = [];
  readonly timers: TimerRequest[] = [];
  /** Leaves that may have a result already: it is looked for before anything is written. */
  readonly cacheable: WaitingLeaf[] = [];
  /** Results that other runs may use from now on. */
  readonly cacheEntries: NewCacheEntry[] = [];
  /** Leaves that ended with the results of another run instead of running. */
  readonly taken: { readonly node: number; readonly from: string }[] = [];
  /** What has to be asked of the store before this can be written. */
  readonly lookups: Lookup[] = [];
  /** Lists of foreach stages that have been resolved and not been taken in yet, by node. */
  readonly lists = new Map<number, readonly JsonValue[]>();
  /** That foreach stages got their items, in order; `sequence` counts those of the tree from 0. */
  readonly expansions: (Expansion & { readonly sequence: number })[] = [];
  /** Nodes from this number on have no rows in the store yet. */
  readonly firstNew: number;
  readonly #expansionsBefore: number;
  readonly #dirty = new Set<number>();

  constructor(tree: OwnedTree) {
    this.tree = tree;
    this.firstNew = tree.runs.length;
    this.#expansionsBefore = tree.state.expansions.length;
  }

  /** Adds the rows of the items that the planner has just added behind all other nodes. */
  grow(expansion: Expansion, nowMs: number): void {
    const { tree } = this;
    const { node, count } = expansion;
    const list = this.lists.get(node)!;
    this.lists.delete(node);
    this.expansions.push({ ...expansion, sequence: this.#expansionsBefore + this.expansions.length });
    if (count > 0) countLeaf(tree, tree.runs[node]!.status, -1);
    const first = tree.runs.length;
    const size = nodeCount(tree.state) - first;
    addRuns(
      tree,
      Array.from({ length: size }, (_, at) => nodeAt(tree, first + at)),
      nowMs,
    );
    const items = childrenOf(tree, node);
    for (const [index, item] of items.entries()) tree.runs[item]!.item = { index, value: list[index]! };
    this.addEvent(node, 'run.expanded', nowMs, { items: count });
  }

  /** Stores a new attempt as claimed. */
  lease(attempt: NewAttempt, lease: StoredLease, nowMs: number): void {
    this.leases.set(attempt, lease);
    this.setStatus(attempt.node, 'starting');
    this.addEvent(attempt.node, 'attempt.claimed', nowMs, { attempt: attempt.number, agent: lease.agentId });
  }

  /** True when agents are to learn of something about attempts that they hold. */
  get isAsking(): boolean {
    return this.cancels.length > 0 || this.pauses.length > 0 || this.approvalShifts.length > 0;
  }

  /** True when members of concurrency groups came or ended. */
  get concernsGroups(): boolean {
    const { definition, runs } = this.tree;
    return (
      (definition.concurrency !== undefined && this.#dirty.has(0) && runs[0]!.status !== 'running') ||
      this.attempts.some(({ limits }) => replacingGroup(limits) !== null)
    );
  }

  /** Nodes whose rows have to be written. */
  get dirtyNodes(): readonly number[] {
    return [...this.#dirty];
  }

  /** Marks a node whose row has to be written. */
  touch(node: number): void {
    this.#dirty.add(node);
  }

  setStatus(node: number, status: RunStatus): void {
    const run = this.tree.runs[node]!;
    if (run.status === status) return;
    if (isCounted(this.tree, node)) {
      countLeaf(this.tree, run.status, -1);
      countLeaf(this.tree, status, 1);
    }
    run.status = status;
    this.touch(node);
  }

  addEvent(node: number, type: EventType, atMs: number, data: Record<string, unknown>): void {
    const { tree } = this;
    const run = tree.runs[node]!;
    tree.eventSeq += 1;
    this.events.push({
      rootId: tree.rootId,
      seq: tree.eventSeq,
      runId: run.id,
      path: run.path,
      type,
      at: instantText(atMs),
      data,
    });
  }
}
