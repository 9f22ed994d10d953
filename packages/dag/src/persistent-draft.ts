import type { BookPatch, Ending, RowPatch } from './draft.ts';
import { Draft } from './draft.ts';
import type { Expansion } from './expansion.ts';
import type { NodeStatus } from './node-status.ts';
import { holdsPlace } from './node-status.ts';
import type { PersistentVector, VectorEdit } from './persistent-vector.ts';
import type { Plan, PlanNode } from './plan.ts';
import { addReady, nodesIn, readyFrom, withoutFirst } from './ready-queue.ts';
import type { DagState, GroupBook, NodeSnapshot } from './state.ts';
import { initialBook, initialSnapshot, statusEffect } from './state.ts';
import type { Tally } from './trigger-rule.ts';
import { initialTally } from './trigger-rule.ts';

/** The working copy of one decision: the state before it stays as it was. */
export class PersistentDraft extends Draft {
  readonly #before: DagState;
  readonly #changed = new Set<number>();
  readonly #rows: LazyEdit<NodeSnapshot>;
  readonly #tallies: LazyEdit<Tally>;
  readonly #books: LazyEdit<GroupBook | null>;
  /** Null in all decisions but the few that expand a foreach. */
  #grown: VectorEdit<PlanNode> | null = null;

  constructor(plan: Plan, before: DagState, now: number) {
    super(plan, now);
    this.#before = before;
    this.#rows = new LazyEdit(before.rows);
    this.#tallies = new LazyEdit(before.tallies);
    this.#books = new LazyEdit(before.books);
  }

  get nodeCount(): number {
    return this.#rows.length;
  }

  grownNode(index: number): PlanNode {
    return (this.#grown ?? this.#before.grown).get(index - this.plan.columns.size);
  }

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

  statusOf(index: number): NodeStatus {
    return this.#rows.get(index).status;
  }

  attemptOf(index: number): number {
    return this.#rows.get(index).attempt;
  }

  startedAtOf(index: number): number | null {
    return this.#rows.get(index).startedAt;
  }

  row(index: number): NodeSnapshot {
    return this.#rows.get(index);
  }

  isHeldOf(index: number): boolean {
    return this.#rows.get(index).isHeld === true;
  }

  noteStart(index: number): void {
    this.writeRow(index, { startedAt: this.now });
  }

  protected writeRow(index: number, patch: RowPatch): number {
    const old = this.row(index);
    const row: NodeSnapshot = { ...old, ...patch };
    this.#rows.set(index, row);
    this.#changed.add(index);
    if (row.status === old.status) return 0;
    this.effects.push(statusEffect(row));
    return Number(holdsPlace(row.status)) - Number(holdsPlace(old.status));
  }

  protected writeHandOut(index: number): number {
    const attempt = this.attemptOf(index) + 1;
    const places = this.writeRow(index, {
      status: 'active',
      attempt,
      startedAt: null,
      reason: null,
      error: null,
    });
    this.effects.push({ type: 'start_leaf', node: index, attempt });
    return places;
  }

  protected writeEnding(
    index: number,
    { status, reason = null, error = null, upstream = null, isCutShort }: Ending,
  ): number {
    const stopReason = isCutShort ? 'fail_fast' : this.row(index).stopReason;
    return this.writeRow(index, { status, reason, error, upstream, stopReason, retryAt: null });
  }

  tallyOf(index: number): Tally {
    return this.#tallies.get(index);
  }

  setTally(index: number, tally: Tally): void {
    this.#tallies.set(index, tally);
  }

  book(group: number): GroupBook {
    return this.#books.get(group)!;
  }

  patchBook(group: number, patch: BookPatch): void {
    this.#books.set(group, { ...this.book(group), ...patch });
  }

  protected count(group: number, places: number, open: number, failures: number): void {
    const book = this.book(group);
    this.#books.set(group, {
      ...book,
      active: book.active + places,
      open: book.open + open,
      failures: book.failures + failures,
    });
  }

  protected addReady(group: number, index: number): void {
    const book = this.book(group);
    this.#books.set(group, { ...book, ready: addReady(book.ready, index, this.priorityOf(index)) });
  }

  readyIn(group: number): readonly number[] {
    return nodesIn(this.book(group).ready);
  }

  replaceReady(group: number, nodes: readonly number[]): void {
    const ready = readyFrom(nodes.map((node) => ({ node, priority: this.priorityOf(node) })));
    this.#books.set(group, { ...this.book(group), ready });
  }

  firstReady(group: number): number {
    return this.book(group).ready?.node ?? -1;
  }

  takeReady(group: number): number {
    const book = this.book(group);
    if (book.ready === null) return -1;
    this.#books.set(group, { ...book, ready: withoutFirst(book.ready) });
    return book.ready.node;
  }

  announceReady(index: number): void {
    this.effects.push({ type: 'node_ready', node: index });
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

  /** Nodes whose snapshot is new. */
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
