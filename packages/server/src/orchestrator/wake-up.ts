/** Lets one loop sleep until somebody has something for it. A call before the sleep is not lost. */
export class WakeUp {
  #resolve: () => void = () => {};

  /** Resolves at the next `call`, or after `ms`. To be taken before looking for work, awaited after. */
  within(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timeout = setTimeout(resolve, Math.max(0, ms));
      this.#resolve = () => {
        clearTimeout(timeout);
        resolve();
      };
    });
  }

  readonly call = (): void => {
    this.#resolve();
  };
}
