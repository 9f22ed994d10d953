/** A min-heap of things that are due at an instant (epoch ms). */
export class TimerHeap<T> {
  readonly #items: { readonly atMs: number; readonly value: T }[] = [];

  get nextAtMs(): number | undefined {
    return this.#items[0]?.atMs;
  }

  add(atMs: number, value: T): void {
    const items = this.#items;
    let index = items.push({ atMs, value }) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (items[parent]!.atMs <= items[index]!.atMs) return;
      swap(items, parent, index);
      index = parent;
    }
  }

  /** Removes and returns what is due at `nowMs`, the earliest first. */
  takeDue(nowMs: number): T[] {
    const due: T[] = [];
    while (this.nextAtMs !== undefined && this.nextAtMs <= nowMs) due.push(this.#takeFirst());
    return due;
  }

  #takeFirst(): T {
    const items = this.#items;
    const first = items[0]!;
    const last = items.pop()!;
    if (items.length > 0) {
      items[0] = last;
      let index = 0;
      for (;;) {
        const left = 2 * index + 1;
        const right = left + 1;
        let least = index;
        if (left < items.length && items[left]!.atMs < items[least]!.atMs) least = left;
        if (right < items.length && items[right]!.atMs < items[least]!.atMs) least = right;
        if (least === index) break;
        swap(items, least, index);
        index = least;
      }
    }
    return first.value;
  }
}

function swap<T>(items: T[], a: number, b: number): void {
  const held = items[a]!;
  items[a] = items[b]!;
  items[b] = held;
}
