/** One that waits for others of its kind. */
interface Waiting<T, R> {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

interface Gathering<T, R> {
  readonly waiting: Waiting<T, R>[];
  timer: NodeJS.Timeout | undefined;
}

/**
 * Holds back what belongs together until all of it is there or nothing more has come for a while, so that it can
 * be done as one.
 */
export class LaunchGathering<T, R> {
  readonly #together: (items: readonly T[]) => Promise<readonly Promise<R>[]>;
  readonly #quietMs: number;
  readonly #open = new Map<string, Gathering<T, R>>();

  /** @param together answers each, in order; when it rejects, all have failed */
  constructor(together: (items: readonly T[]) => Promise<readonly Promise<R>[]>, quietMs: number) {
    this.#together = together;
    this.#quietMs = quietMs;
  }

  /** @param size how many of this key are to be expected at most */
  add(key: string, size: number, item: T): Promise<R> {
    const gathering = this.#open.get(key) ?? { waiting: [], timer: undefined };
    this.#open.set(key, gathering);
    const result = new Promise<R>((resolve, reject) => gathering.waiting.push({ item, resolve, reject }));
    clearTimeout(gathering.timer);
    if (gathering.waiting.length >= size) this.#do(key, gathering);
    else gathering.timer = setTimeout(() => this.#do(key, gathering), this.#quietMs);
    return result;
  }

  /** Nothing that waits is done any more. */
  close(reason: Error): void {
    for (const [key, { waiting, timer }] of this.#open) {
      clearTimeout(timer);
      this.#open.delete(key);
      for (const { reject } of waiting) reject(reason);
    }
  }

  #do(key: string, { waiting }: Gathering<T, R>): void {
    this.#open.delete(key);
    this.#together(waiting.map(({ item }) => item)).then(
      (results) => {
        for (const [at, { resolve, reject }] of waiting.entries()) results[at]!.then(resolve, reject);
      },
      (error: unknown) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }
}
