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

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @param part 0 to 1; the value that so many are not above (nearest rank) */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))]!;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
