import { startsBefore } from './ready-queue.ts';

/** Gone entries at the front of the list are dropped when there are more of them than this, and than others. */
const MOST_GONE = 1_024;

/**
 * The same order as `ReadyQueue`, changed in place. Nodes mostly become ready in the order in which they start:
 * those stand in a list, from which taking costs O(1) however long it is. Others go into a binary heap.
 */
export class MutableReadyQueue {
  /** Null when all have the same priority. */
  readonly #priorityOf: ((node: number) => number) | null;
  /** In starting order from `#head` up to (not including) `#tail`; what is behind that is left over. */
  readonly #list: number[] = [];
  #head = 0;
  #tail = 0;
  readonly #heap: number[] = [];

  constructor(priorityOf: ((node: number) => number) | null) {
    this.#priorityOf = priorityOf;
  }

  add(node: number): void {
    if (this.#head === this.#tail) {
      this.#head = 0;
      this.#tail = 0;
    } else if (!this.#startsBefore(this.#list[this.#tail - 1]!, node)) {
      this.#push(node);
      return;
    }
    this.#list[this.#tail++] = node;
  }

  /** What starts next; -1 when the queue is empty. */
  first(): number {
    if (this.#isHeapFirst()) return this.#heap[0]!;
    return this.#head === this.#tail ? -1 : this.#list[this.#head]!;
  }

  /** Takes out what starts next; -1 when the queue is empty. */
  take(): number {
    if (this.#isHeapFirst()) return this.#pop();
    if (this.#head === this.#tail) return -1;
    const node = this.#list[this.#head++]!;
    if (this.#head > MOST_GONE && this.#head * 2 > this.#tail) this.#dropGone();
    return node;
  }

  /** What is in it, in no order. */
  nodes(): number[] {
    return [...this.#list.slice(this.#head, this.#tail), ...this.#heap];
  }

  clear(): void {
    this.#head = 0;
    this.#tail = 0;
    this.#heap.length = 0;
  }

  #isHeapFirst(): boolean {
    if (this.#heap.length === 0) return false;
    return this.#head === this.#tail || this.#startsBefore(this.#heap[0]!, this.#list[this.#head]!);
  }

  #startsBefore(a: number, b: number): boolean {
    const priorityOf = this.#priorityOf;
    if (priorityOf === null) return a < b;
    return startsBefore({ node: a, priority: priorityOf(a) }, { node: b, priority: priorityOf(b) });
  }

  #dropGone(): void {
    this.#list.copyWithin(0, this.#head, this.#tail);
    this.#tail -= this.#head;
    this.#head = 0;
    this.#list.length = this.#tail;
  }

  #push(node: number): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(node);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.#startsBefore(node, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = node;
  }

  #pop(): number {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    const size = heap.length;
    if (size === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= size) break;
      if (below + 1 < size && this.#startsBefore(heap[below + 1]!, heap[below]!)) below += 1;
      if (!this.#startsBefore(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}
