/** Failures in a row after which something is left alone for a while, and for how long at first and at most. */
const MAX_FAILURES = 3;
const FIRST_REST_MS = 60_000;
const LONGEST_REST_MS = 15 * 60_000;

/** Remembers that something keeps failing, so that it is not asked at every turn. */
export class CircuitBreaker {
  readonly #now: () => number;
  #failures = 0;
  #restsUntilMs = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  get isOpen(): boolean {
    return this.#now() < this.#restsUntilMs;
  }

  noteSuccess(): void {
    this.#failures = 0;
  }

  /** @param isMissing it is not there at all, and does not come back by being asked often */
  noteFailure(isMissing: boolean): void {
    this.#failures += 1;
    const over = isMissing ? MAX_FAILURES : this.#failures - MAX_FAILURES;
    if (over < 0) return;
    this.#restsUntilMs = this.#now() + Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** over);
  }
}
