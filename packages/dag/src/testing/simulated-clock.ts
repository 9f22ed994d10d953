import type { Clock } from '../clock.ts';

interface Timer {
  readonly at: number;
  /** Timers of the same instant ring in the order in which they were set. */
  readonly sequence: number;
  readonly callback: () => void;
  isCancelled: boolean;
}

/** A clock that stands still until it is told to go on. */
export class SimulatedClock implements Clock {
  #now: number;
  #sequence = 0;
  /** A binary heap, the next timer first. */
  readonly #timers: Timer[] = [];

  constructor(startAt = 0) {
    this.#now = startAt;
  }

  now(): number {
    return this.#now;
  }

  setTimer(at: number, callback: () => void): () => void {
    const timer: Timer = { at, sequence: this.#sequence++, callback, isCancelled: false };
    this.#timers.push(timer);
    this.#siftUp(this.#timers.length - 1);
    return () => {
      timer.isCancelled = true;
    };
  }

  /** Resolves when the clock has gone on by so much; for handlers in tests. */
  sleep(durationMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.setTimer(this.#now + durationMs, resolve);
    });
  }

  /** Goes to the next timer and rings it; false when there is none. */
  ringNext(): boolean {
    for (let timer = this.#takeFirst(); timer !== undefined; timer = this.#takeFirst()) {
      if (timer.isCancelled) continue;
      this.#now = Math.max(this.#now, timer.at);
      timer.callback();
      return true;
    }
    return false;
  }

  /** Rings timer after timer, lets promises settle in between, until none is left. */
  async runUntilIdle(): Promise<void> {
    do {
      await new Promise((resolve) => setTimeout(resolve, 0));
    } while (this.ringNext());
  }

  #takeFirst(): Timer | undefined {
    const first = this.#timers[0];
    const last = this.#timers.pop();
    if (first === undefined || last === undefined || first === last) return first;
    this.#timers[0] = last;
    this.#siftDown();
    return first;
  }

  #siftUp(from: number): void {
    for (let index = from; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfBefore(index, parent)) return;
      index = parent;
    }
  }

  #siftDown(): void {
    for (let index = 0; ; ) {
      const left = 2 * index + 1;
      if (left >= this.#timers.length) return;
      const right = left + 1;
      const isRightFirst =
        right < this.#timers.length && ringsBefore(this.#timers[right]!, this.#timers[left]!);
      const child = isRightFirst ? right : left;
      if (!this.#swapIfBefore(child, index)) return;
      index = child;
    }
  }

  #swapIfBefore(child: number, parent: number): boolean {
    const [a, b] = [this.#timers[child]!, this.#timers[parent]!];
    if (!ringsBefore(a, b)) return false;
    this.#timers[child] = b;
    this.#timers[parent] = a;
    return true;
  }
}

function ringsBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}
