import type { BookPatch, Ending, RowPatch } from './draft.ts';
import { Draft } from './draft.ts';
import type { SetTimer } from './events.ts';
import type { Expansion, ItemBlock } from './expansion.ts';
import { MutableReadyQueue } from './mutable-ready-queue.ts';
import { NodeColumns } from './node-columns.ts';
import type { NodeStatus } from './node-status.ts';
import { holdsPlace, isTerminal } from './node-status.ts';
import type { Plan, PlanNode } from './plan.ts';
import { linkCount } from './sibling-links.ts';
import type { NodeSnapshot } from './state.ts';
import { statusEffect } from './state.ts';
import type { Tally } from './trigger-rule.ts';
import { initialTally } from './trigger-rule.ts';

/** Smaller plans are in the cache of the processor anyway. */
const LEAST_READ_AHEAD = 10_000;
/** Of a node with many dependents only the first. */
const MOST_READ_AHEAD = 8;

/**
 * The state of a run in this process, changed in place: 16 bytes per node, and no garbage for a leaf that
 * just completes. There is one for the whole run, which takes `effects`, `questions` and `expansions` out after
 * each decision.
 */
export class MutableDraft extends Draft {
  /** Of no meaning; without it a compiler might leave the reading ahead out. */
  lastRead = 0;
  readonly #handOut: ((node: number, attempt: number) => void) | null;
  readonly #grown: PlanNode[] = [];
  readonly #rows: NodeColumns;
  /** Of groups only, as in `PlanColumns`. */
  readonly #books: (MutableBook | null)[];
  /** Nodes for which a timer was set. */
  readonly #timed = new Set<number>();

  /**
   * With `handOut`, only that is told which is needed to run: leaves go there and not into `effects`, which then
   * holds of all nodes that are ready or change their status only the end of those with a timer.
   */
  constructor(plan: Plan, handOut: ((node: number, attempt: number) => void) | null = null) {
    super(plan, 0);
    this.#handOut = handOut;
    const { size, dependsOn, groups } = plan.columns;
    this.#rows = new NodeColumns(size);
    for (let index = 0; index < size; index++) {
      this.#rows.setTally(index, initialTally(linkCount(dependsOn, index)));
    }
    this.#books = groups.map((group) => group && this.#newBook(group.children.length));
  }

  /**
   * Reads what leaves that are about to begin and their dependents will need, each kind in a loop of its own, so
   * that the waits for memory overlap. One after the other they take longer than all the rest of a leaf.
   */
  readAhead(leaves: Int32Array): void {
    const { size, dependents } = this.plan.columns;
    if (size < LEAST_READ_AHEAD) return;
    const { starts, targets } = dependents;
    const rows = this.#rows;
    let read = 0;
    for (let at = 0; at < leaves.length; at++) {
      const leaf = leaves[at]!;
      if (leaf < size) read ^= starts[leaf]! ^ rows.tallyOf(leaf);
    }
    for (let at = 0; at < leaves.length; at++) {
      const leaf = leaves[at]!;
      if (leaf < size) read ^= targets[starts[leaf]!] ?? 0;
    }
    for (let at = 0; at < leaves.length; at++) {
      const leaf = leaves[at]!;
      if (leaf >= size) continue;
      const end = Math.min(starts[leaf]! + MOST_READ_AHEAD, starts[leaf + 1]!);
      for (let link = starts[leaf]!; link < end; link++) read ^= rows.tallyOf(targets[link]!);
    }
    this.lastRead = read;
  }

  get nodeCount(): number {
    return this.#rows.length;
  }

  grownNode(index: number): PlanNode {
    const node = this.#grown[index - this.plan.columns.size];
    if (node === undefined) throw new RangeError(`there is no node ${index}`);
    return node;
  }

  append(expansion: Expansion, nodes: readonly PlanNode[]): void {
    this.expansions.push(expansion);
    this.#rows.grow(nodes.length);
    for (const node of nodes) {
      this.#grown.push(node);
      this.#rows.setTally(node.index, initialTally(node.dependencyCount));
      if (node.isGroup) this.#addBook(node.index, this.#newBook(node.children.length));
    }
  }

  #addBook(index: number, book: MutableBook): void {
    while (this.#books.length < index) this.#books.push(null);
    this.#books.push(book);
  }

  statusOf(index: number): NodeStatus {
    return this.#rows.statusOf(index);
  }

  attemptOf(index: number): number {
    return this.#rows.attemptOf(index);
  }

  startedAtOf(index: number): number | null {
    return this.#rows.startedAtOf(index);
  }

  row(index: number): NodeSnapshot {
    return this.#rows.row(index);
  }

  isHeldOf(index: number): boolean {
    return this.#rows.isHeldOf(index);
  }

  noteStart(index: number): void {
    this.#rows.setStartedAt(index, this.now);
  }

  protected writeRow(index: number, patch: RowPatch): number {
    const before = this.statusOf(index);
    this.#rows.patch(index, patch);
    return this.#statusWritten(index, before);
  }

  protected writeHandOut(index: number): number {
    const before = this.statusOf(index);
    this.#rows.handOut(index);
    if (this.#rows.hasDetails(index)) this.#rows.patch(index, { reason: null, error: null });
    const places = this.#statusWritten(index, before);
    const attempt = this.attemptOf(index);
    if (this.#handOut === null) this.effects.push({ type: 'start_leaf', node: index, attempt });
    else this.#handOut(index, attempt);
    return places;
  }

  protected writeEnding(index: number, ending: Ending): number {
    const before = this.statusOf(index);
    const { status, reason = null, error = null, upstream = null, isCutShort } = ending;
    if (
      reason === null &&
      error === null &&
      upstream === null &&
      !isCutShort &&
      !this.#rows.hasDetails(index)
    ) {
      this.#rows.setStatus(index, status);
    } else {
      const stopReason = isCutShort ? { stopReason: 'fail_fast' as const } : {};
      this.#rows.patch(index, { status, reason, error, upstream, retryAt: null, ...stopReason });
    }
    return this.#statusWritten(index, before);
  }

  #statusWritten(index: number, before: NodeStatus): number {
    const status = this.statusOf(index);
    if (status === before) return 0;
    if (this.#handOut === null || this.#endsTimed(index, status)) {
      this.effects.push(statusEffect(this.row(index)));
    }
    return Number(holdsPlace(status)) - Number(holdsPlace(before));
  }

  #endsTimed(index: number, status: NodeStatus): boolean {
    return this.#timed.size > 0 && isTerminal(status) && this.#timed.delete(index);
  }

  override setTimer(effect: SetTimer): void {
    this.#timed.add(effect.node);
    super.setTimer(effect);
  }

  tallyOf(index: number): Tally {
    return this.#rows.tallyOf(index);
  }

  setTally(index: number, tally: Tally): void {
    this.#rows.setTally(index, tally);
  }

  book(group: number): MutableBook {
    return this.#books[group]!;
  }

  patchBook(group: number, patch: BookPatch): void {
    Object.assign(this.book(group), patch);
  }

  protected count(group: number, places: number, open: number, failures: number): void {
    const book = this.book(group);
    book.active += places;
    book.open += open;
    book.failures += failures;
  }

  protected addReady(group: number, index: number): void {
    this.book(group).ready.add(index);
  }

  readyIn(group: number): readonly number[] {
    return this.book(group).ready.nodes();
  }

  replaceReady(group: number, nodes: readonly number[]): void {
    const { ready } = this.book(group);
    ready.clear();
    for (const node of nodes) ready.add(node);
  }

  firstReady(group: number): number {
    return this.book(group).ready.first();
  }

  takeReady(group: number): number {
    return this.book(group).ready.take();
  }

  announceReady(index: number): void {
    if (this.#handOut === null) this.effects.push({ type: 'node_ready', node: index });
  }

  #newBook(open: number): MutableBook {
    const priorityOf = this.plan.columns.extras === null ? null : (node: number) => this.priorityOf(node);
    return new MutableBook(open, new MutableReadyQueue(priorityOf));
  }
}

/** As `GroupBook`. */
class MutableBook {
  readonly ready: MutableReadyQueue;
  active = 0;
  open: number;
  failures = 0;
  deadlineAt = Number.POSITIVE_INFINITY;
  draining = false;
  isHeld = false;
  items: ItemBlock | null = null;

  constructor(open: number, ready: MutableReadyQueue) {
    this.open = open;
    this.ready = ready;
  }
}
