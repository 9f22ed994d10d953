/** Waits that end early when somebody says that there is something to look at. */
export class WakeableWait {
  readonly #wakers = new Set<() => void>();

  /** Ends all waits that go on. */
  wake(): void {
    for (const wake of [...this.#wakers]) wake();
  }

  /** Waits `ms`, or until it is woken or the signal fires. Never rejects. */
  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        this.#wakers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done, { once: true });
      this.#wakers.add(done);
    });
  }
}
