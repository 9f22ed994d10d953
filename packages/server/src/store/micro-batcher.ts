/**
 * Gathers calls that come in while an earlier batch is being written and hands them over together: one
 * transaction then serves many callers. A single caller pays no delay.
 *
 * `write` gets the items in the order of the calls and answers with one result each; if it throws, every
 * caller of that batch gets the error.
 */
export class MicroBatcher<Item, Result> {
  readonly #write: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly #maxItems: number;
  #waiting: { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = [];
  #isWriting = false;

  constructor(options: {
    readonly maxItems: number;
    readonly write: (items: readonly Item[]) => Promise<readonly Result[]>;
  }) {
    this.#maxItems = options.maxItems;
    this.#write = options.write;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (!this.#isWriting) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#isWriting = true;
    // Callers of the same turn of the event loop go into the first batch together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#maxItems);
      try {
        const results = await this.#write(batch.map((entry) => entry.item));
        for (const [index, entry] of batch.entries()) entry.resolve(results[index]!);
      } catch (error) {
        for (const entry of batch) entry.reject(error);
      }
    }
    this.#isWriting = false;
  }
}
