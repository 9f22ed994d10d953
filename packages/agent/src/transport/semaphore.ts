/** At most `limit` holders at a time; the others wait, first come first served. */
export class Semaphore {
  readonly #waiting: (() => void)[] = [];
  #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Applies to those that come next; who has it keeps it. At least one. */
  lowerLimit(limit: number): void {
    this.#limit = Math.max(1, Math.min(limit, this.#limit));
  }

  /** @throws the signal's reason when it fires first */
  async acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#held < this.#limit) {
      this.#held += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const take = () => {
        signal.removeEventListener('abort', onAbort);
        this.#held += 1;
        resolve();
      };
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(take);
    });
  }

  release(): void {
    this.#held -= 1;
    while (this.#held < this.#limit && this.#waiting.length > 0) this.#waiting.shift()?.();
  }
}
