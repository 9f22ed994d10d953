import type { RetryPolicy } from './definition.ts';
import type { Effect, NodeError, Question, SetTimer } from './events.ts';
import type { Expansion } from './expansion.ts';
import type { NodeStatus, TerminalStatus } from './node-status.ts';
import { isSuccess, isTerminal } from './node-status.ts';
import type { Plan, PlanForeach, PlanGroup, PlanNode } from './plan.ts';
import type { GroupColumns, NodeExtras, PlanColumns } from './plan-columns.ts';
import {
  depthIn,
  endIn,
  extrasOf,
  groupIn,
  isGroupIn,
  parentIn,
  pathIn,
  ruleIn,
  sourceIn,
} from './plan-columns.ts';
import { linkCount } from './sibling-links.ts';
import type { GroupBook, NodeSnapshot } from './state.ts';
import type { DependencyEnd, Tally, TriggerRule } from './trigger-rule.ts';
import { dependencyEnd } from './trigger-rule.ts';

/** How a node ends; what is not given is empty in its row. */
export interface Ending {
  readonly status: TerminalStatus;
  readonly reason?: string | null;
  readonly error?: NodeError | null;
  readonly upstream?: number | null;
  /** No failure of its own: something else in a DAG around it failed fast. A reason would not tell, people give those. */
  readonly isCutShort?: boolean;
}

/** What a decision may change in a row. */
export type RowPatch = Partial<Omit<NodeSnapshot, 'node'>>;

/** What a decision may set in the book of a group; how its children stand is counted, and its queue has methods. */
export type BookPatch = Partial<Pick<GroupBook, 'open' | 'deadlineAt' | 'draining' | 'isHeld' | 'items'>>;

/**
 * What the rules of the planner read and write while they decide: the plan, the state, and what is to be done.
 * They know nothing else, so they mean the same whether the state is one of which old versions stay valid
 * (`PersistentDraft`, for `decide`) or one that is changed in place (`MutableDraft`, for a run in this process).
 */
export abstract class Draft {
  readonly plan: Plan;
  now: number;
  readonly effects: Effect[] = [];
  readonly questions: Question[] = [];
  readonly expansions: Expansion[] = [];
  /** Groups in which a place became free, something became ready or a child ended. */
  readonly unsettled: number[] = [];
  /** A node was paused or goes on, or one that was paused ends: what follows is still to be worked out. */
  holdsChanged = false;
  readonly #columns: PlanColumns;
  readonly #size: number;

  constructor(plan: Plan, now: number) {
    this.plan = plan;
    this.now = now;
    this.#columns = plan.columns;
    this.#size = plan.columns.size;
  }

  // The plan; nodes behind its last one are those of items.

  parentOf(index: number): number {
    return index < this.#size ? parentIn(this.#columns, index) : this.grownNode(index).parent;
  }

  /** One more than the number of the last descendant, items of foreach nodes aside. */
  endOf(index: number): number {
    return index < this.#size ? endIn(this.#columns, index) : this.grownNode(index).end;
  }

  /** Null for a leaf. */
  groupOf(index: number): GroupColumns | PlanGroup | null {
    return index < this.#size ? groupIn(this.#columns, index) : this.grownNode(index).group;
  }

  isGroup(index: number): boolean {
    return index < this.#size ? isGroupIn(this.#columns, index) : this.grownNode(index).isGroup;
  }

  ruleOf(index: number): TriggerRule {
    return index < this.#size ? ruleIn(this.#columns, index) : this.grownNode(index).triggerRule;
  }

  nameOf(index: number): string {
    return index < this.#size ? this.#columns.names[index]! : this.grownNode(index).name;
  }

  /** The number of the node in the definition. */
  sourceOf(index: number): number {
    return index < this.#size ? sourceIn(this.#columns, index) : this.grownNode(index).source;
  }

  /** Of a copy made by a foreach: which item it is for. */
  itemOf(index: number): number | null {
    return index < this.#size ? null : this.grownNode(index).item;
  }

  pathOf(index: number): string {
    return index < this.#size ? pathIn(this.#columns, index) : this.grownNode(index).path;
  }

  /** 0 for the root. */
  depthOf(index: number): number {
    return index < this.#size ? depthIn(this.#columns, index) : this.grownNode(index).depth;
  }

  hasCondition(index: number): boolean {
    return this.#extrasOf(index).condition;
  }

  foreachOf(index: number): PlanForeach | null {
    return this.#extrasOf(index).foreach;
  }

  priorityOf(index: number): number {
    return this.#extrasOf(index).priority;
  }

  takesNoPlace(index: number): boolean {
    return this.#extrasOf(index).takesNoPlace;
  }

  outlivesDeadline(index: number): boolean {
    return this.#extrasOf(index).outlivesDeadline;
  }

  retryOf(index: number): RetryPolicy {
    return this.#extrasOf(index).retry;
  }

  timeoutOf(index: number): number | null {
    return this.#extrasOf(index).timeoutMs;
  }

  #extrasOf(index: number): NodeExtras {
    return index < this.#size ? extrasOf(this.#columns, index) : this.grownNode(index);
  }

  dependentCountOf(index: number): number {
    if (index >= this.#size) return this.grownNode(index).dependents.length;
    return linkCount(this.#columns.dependents, index);
  }

  dependentAt(index: number, position: number): number {
    if (index >= this.#size) return this.grownNode(index).dependents[position]!;
    const { starts, targets } = this.#columns.dependents;
    return targets[starts[index]! + position]!;
  }

  dependenciesOf(index: number): readonly number[] | Int32Array {
    if (index >= this.#size) return this.grownNode(index).dependsOn;
    const { starts, targets } = this.#columns.dependsOn;
    return targets.subarray(starts[index]!, starts[index + 1]!);
  }

  /** What a finished node counts as for those that depend on it. */
  dependencyEndOf(index: number): DependencyEnd {
    return isSuccess(this.statusOf(index)) ? 'success' : dependencyEnd(this.row(index));
  }

  hasEnded(index: number): boolean {
    return isTerminal(this.statusOf(index));
  }

  // Changes, and what they mean for the book of the parent.

  /** Changes a row, announces a new status, and keeps the number of taken places of the parent right. */
  patchRow(index: number, patch: RowPatch): void {
    const places = this.writeRow(index, patch);
    if (this.parentOf(index) >= 0 && places !== 0) this.#count(index, places, 0, 0);
  }

  /** Hands out a leaf once more. */
  startLeaf(index: number): void {
    this.#count(index, this.writeHandOut(index), 0, 0);
  }

  /** Makes a node terminal and counts it in its parent; what follows from it is decided elsewhere. */
  close(index: number, ending: Ending): void {
    if (this.isHeldOf(index)) this.#dropHold(index);
    const places = this.writeEnding(index, ending);
    if (this.parentOf(index) < 0) return;
    this.#count(index, places, -1, this.dependencyEndOf(index) === 'failure' ? 1 : 0);
  }

  #dropHold(index: number): void {
    this.writeRow(index, { isHeld: false, isParked: false });
    this.holdsChanged = true;
  }

  #count(index: number, places: number, open: number, failures: number): void {
    this.count(this.parentOf(index), this.takesNoPlace(index) ? 0 : places, open, failures);
  }

  /** When what is around a group ends it, epoch ms. A deadline of its own that is not before that is no matter of its own. */
  deadlineAround(group: number): number {
    const parent = this.parentOf(group);
    if (parent < 0 || this.outlivesDeadline(group)) return Number.POSITIVE_INFINITY;
    return this.book(parent).deadlineAt;
  }

  /**
   * Puts a node into the queue of its parent. A paused one is put aside when its turn comes, not before; one that
   * has been tried had its turn.
   */
  enqueue(index: number): void {
    if (this.isHeldOf(index) && this.statusOf(index) === 'waiting_retry') {
      this.park(index);
      return;
    }
    const parent = this.parentOf(index);
    this.addReady(parent, index);
    this.unsettle(parent);
  }

  /** A node whose turn came while it was paused. */
  park(index: number): void {
    this.writeRow(index, { isParked: true });
    this.holdsChanged = true;
  }

  /** Has a group looked at again; once is enough. */
  unsettle(group: number): void {
    const { unsettled } = this;
    if (unsettled.length === 0 || unsettled[unsettled.length - 1] !== group) unsettled.push(group);
  }

  setTimer(timer: SetTimer): void {
    this.effects.push(timer);
  }

  // The storage.

  abstract get nodeCount(): number;
  abstract grownNode(index: number): PlanNode;
  /** Adds the nodes of a foreach behind all others. */
  abstract append(expansion: Expansion, nodes: readonly PlanNode[]): void;

  abstract statusOf(index: number): NodeStatus;
  abstract attemptOf(index: number): number;
  abstract startedAtOf(index: number): number | null;
  abstract row(index: number): NodeSnapshot;
  /** Somebody has paused this very node. */
  abstract isHeldOf(index: number): boolean;
  /** `leaf_started` of the current attempt. */
  abstract noteStart(index: number): void;
  /** These give how many places the node holds more than before, and announce a new status. */
  protected abstract writeRow(index: number, patch: RowPatch): number;
  protected abstract writeHandOut(index: number): number;
  protected abstract writeEnding(index: number, ending: Ending): number;

  abstract tallyOf(index: number): Tally;
  abstract setTally(index: number, tally: Tally): void;

  abstract book(group: number): Omit<GroupBook, 'ready'>;
  abstract patchBook(group: number, patch: BookPatch): void;
  protected abstract count(group: number, places: number, open: number, failures: number): void;
  protected abstract addReady(group: number, index: number): void;
  /** What is in the queue of a group, in no order. */
  abstract readyIn(group: number): readonly number[];
  abstract replaceReady(group: number, nodes: readonly number[]): void;
  /** What starts next; -1 when the queue is empty. */
  abstract firstReady(group: number): number;
  /** Takes out what starts next; -1 when the queue is empty. */
  abstract takeReady(group: number): number;

  abstract announceReady(index: number): void;
}
