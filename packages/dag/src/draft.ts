import type { Effect, NodeError, Question } from './events.ts';
import type { Expansion } from './expansion.ts';
import type { TerminalStatus } from './node-status.ts';
import { holdsPlace } from './node-status.ts';
import type { PersistentVector, VectorEdit } from './persistent-vector.ts';
import type { Plan, PlanNode } from './plan.ts';
import { addReady } from './ready-queue.ts';
import type { DagState, GroupBook, NodeSnapshot } from './state.ts';
import { initialBook, initialSnapshot } from './state.ts';
import type { Tally } from './trigger-rule.ts';
import { dependencyEnd, initialTally } from './trigger-rule.ts';

/** How a node ends; what is not given is empty in its row. */
export interface Ending {
  readonly status: TerminalStatus;
  readonly reason?: string | null;
  readonly error?: NodeError | null;
  readonly upstream?: number | null;
  /** No failure of its own: something else in a DAG around it failed fast. A reason would not tell, people give those. */
  readonly isCutShort?: boolean;
}

/** The working copy of one decision: changes, effects in order, and groups that have to be looked at again. */
export class Draft {
  readonly plan: Plan;
  readonly now: number;
  readonly effects: Effect[] = [];
  readonly questions: Question[] = [];
  readonly expansions: Expansion[] = [];
  /** Groups in which a place became free, something became ready or a child ended. */
  readonly unsettled: number[] = [];
  readonly #before: DagState;
  readonly #changed = new Set<number>();
  readonly #rows: LazyEdit<NodeSnapshot>;
  readonly #tallies: LazyEdit<Tally>;
  readonly #books: LazyEdit<GroupBook | null>;
  /** Null in all decisions but the few that expand a foreach. */
  #grown: VectorEdit<PlanNode> | null = null;

  constructor(plan: Plan, before: DagState, now: number) {
    this.plan = plan;
    this.now = now;
    this.#before = before;
    this.#rows = new LazyEdit(before.rows);
    this.#tallies = new LazyEdit(before.tallies);
    this.#books = new LazyEdit(before.books);
  }

  node(index: number): PlanNode {
    return this.plan.nodes[index] ?? (this.#grown ?? this.#before.grown).get(index - this.plan.nodes.length);
  }

  get nodeCount(): number {
    return this.#rows.length;
  }

  /** Adds the nodes of a foreach behind all others. */
  append(expansion: Expansion, nodes: readonly PlanNode[]): void {
    this.expansions.push(expansion);
    this.#grown ??= this.#before.grown.edit();
    for (const node of nodes) {
      this.#grown.push(node);
      this.#rows.push(initialSnapshot(node.index));
      this.#tallies.push(initialTally(node.dependencyCount));
      this.#books.push(node.isGroup ? initialBook(node.children.length) : null);
    }
  }

  row(index: number): NodeSnapshot {
    return this.#rows.get(index);
  }

  book(group: number): GroupBook {
    return this.#books.get(group)!;
  }

  patchBook(group: number, patch: Partial<GroupBook>): void {
    this.#books.set(group, { ...this.book(group), ...patch });
  }

  /** Changes a row, announces a new status, and keeps the number of taken places of the parent right. */
  patchRow(index: number, patch: Partial<NodeSnapshot>): void {
    const places = this.#setRow(index, patch);
    const { parent } = this.node(index);
    if (parent >= 0 && places !== 0) this.patchBook(parent, { active: this.book(parent).active + places });
  }

  /** Makes a node terminal and counts it in its parent; what follows from it is decided elsewhere. */
  close(index: number, { status, reason = null, error = null, upstream = null, isCutShort }: Ending): void {
    const stopReason = isCutShort ? 'fail_fast' : this.row(index).stopReason;
    const places = this.#setRow(index, { status, reason, error, upstream, stopReason, retryAt: null });
    const { parent } = this.node(index);
    if (parent < 0) return;
    const { active, open, failures } = this.book(parent);
    const isFailure = dependencyEnd(this.row(index)) === 'failure';
    this.patchBook(parent, {
      active: active + places,
      open: open - 1,
      failures: isFailure ? failures + 1 : failures,
    });
  }

  /** Gives how many places of its parent the node takes more than before. */
  #setRow(index: number, patch: Partial<NodeSnapshot>): number {
    const old = this.row(index);
    const row: NodeSnapshot = { ...old, ...patch };
    this.#rows.set(index, row);
    this.#changed.add(index);
    if (row.status === old.status) return 0;
    this.effects.push(statusEffect(row));
    if (this.node(index).takesNoPlace) return 0;
    return Number(holdsPlace(row.status)) - Number(holdsPlace(old.status));
  }

  /** Puts a node into the queue of its parent. */
  enqueue(index: number): void {
    const { parent, priority } = this.node(index);
    this.patchBook(parent, { ready: addReady(this.book(parent).ready, index, priority) });
    this.unsettled.push(parent);
  }

  tally(index: number): Tally {
    return this.#tallies.get(index);
  }

  setTally(index: number, tally: Tally): void {
    this.#tallies.set(index, tally);
  }

  /** The state after the decision; the very same object when nothing changed. */
  state(): DagState {
    const rows = this.#rows.done();
    const tallies = this.#tallies.done();
    const books = this.#books.done();
    const { rows: oldRows, tallies: oldTallies, books: oldBooks } = this.#before;
    // Nothing grows without a change of rows.
    if (rows === oldRows && tallies === oldTallies && books === oldBooks) return this.#before;
    const { grown, expansions } = this.#before;
    if (this.#grown === null) return { rows, tallies, books, grown, expansions };
    const log = expansions.edit();
    for (const expansion of this.expansions) log.push(expansion);
    return { rows, tallies, books, grown: this.#grown.done(), expansions: log.done() };
  }

  changed(): readonly number[] {
    return [...this.#changed];
  }
}

/** Most decisions leave one of the vectors alone; that one costs nothing. */
class LazyEdit<T> {
  readonly #before: PersistentVector<T>;
  #edit: VectorEdit<T> | null = null;

  constructor(before: PersistentVector<T>) {
    this.#before = before;
  }

  get(index: number): T {
    return (this.#edit ?? this.#before).get(index);
  }

  get length(): number {
    return (this.#edit ?? this.#before).length;
  }

  push(value: T): void {
    this.#edit ??= this.#before.edit();
    this.#edit.push(value);
  }

  set(index: number, value: T): void {
    this.#edit ??= this.#before.edit();
    this.#edit.set(index, value);
  }

  done(): PersistentVector<T> {
    return this.#edit?.done() ?? this.#before;
  }
}

function statusEffect({ node, status, reason, error, upstream }: NodeSnapshot): Effect {
  return {
    type: 'node_status',
    node,
    status,
    ...(reason !== null && { reason }),
    ...(error !== null && { error }),
    ...(upstream !== null && { upstream }),
  };
}
