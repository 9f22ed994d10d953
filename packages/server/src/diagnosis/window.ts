/** The last `size` values of a series, oldest first. */
export class SlidingWindow<T> {
  readonly #size: number;
  readonly #items: T[] = [];
  #begin = 0;

  constructor(size: number) {
    this.#size = size;
  }

  add(item: T): void {
    this.#items.push(item);
    if (this.#items.length - this.#begin > this.#size) this.#begin += 1;
    // The dead front goes in one move per window, so that adding costs the same however large it is.
    if (this.#begin > this.#size) {
      this.#items.splice(0, this.#begin);
      this.#begin = 0;
    }
  }

  get isFull(): boolean {
    return this.length === this.#size;
  }

  get length(): number {
    return this.#items.length - this.#begin;
  }

  get first(): T | undefined {
    return this.#items[this.#begin];
  }

  /** Items `from` up to `to`, counted from the oldest; negative ones from the end. */
  slice(from = 0, to: number = this.length): T[] {
    const place = (at: number) => this.#begin + (at < 0 ? Math.max(0, this.length + at) : at);
    return this.#items.slice(place(from), place(to));
  }
}

/** The last `size` numbers of a series. Adding one makes no object: a loss may come a million times a second. */
export class ValueWindow {
  readonly #ring: Float64Array;
  #count = 0;

  constructor(size: number) {
    this.#ring = new Float64Array(size);
  }

  add(value: number): void {
    this.#ring[this.#count % this.#ring.length] = value;
    this.#count += 1;
  }

  get length(): number {
    return Math.min(this.#count, this.#ring.length);
  }

  /** @param back 0 for the newest, 1 for the one before it */
  last(back: number): number {
    return this.#ring[(this.#count - 1 - back) % this.#ring.length]!;
  }
}

/** Median of the newest values of a window, which has at least so many; of an even number the lower one. */
export function medianOfLast(window: ValueWindow, count: number): number {
  // Each value against the others: for a handful this is quicker than to sort them.
  for (let at = 0; at < count; at += 1) {
    const value = window.last(at);
    let [below, same] = [0, 0];
    for (let other = 0; other < count; other += 1) {
      if (window.last(other) < value) below += 1;
      else if (window.last(other) === value) same += 1;
    }
    const place = Math.ceil(count / 2) - 1;
    if (below <= place && place < below + same) return value;
  }
  return Number.NaN;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @param part 0 to 1; the value that so many are not above (nearest rank) */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))]!;
}
