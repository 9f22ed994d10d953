export interface BatcherOptions<T> {
  /** Items of one key are handled in the order of their arrival and never by two batches at once. */
  readonly keyOf: (item: T) => string;
  readonly sizeOf: (item: T) => number;
  readonly maxItems: number;
  /** A batch is closed when this much is in it; one item may be larger. */
  readonly maxSize: number;
  readonly maxInFlight: number;
  /** Settles its items itself; must not throw. */
  readonly run: (items: readonly T[]) => Promise<void>;
}

export interface Batcher<T> {
  add(item: T): void;
  /** Sum of the sizes that wait for a batch. */
  readonly queuedSize: number;
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>;
}

/**
 * Groups items that arrive while earlier batches run. There is no timer: an item that finds nothing in
 * flight starts at the next turn of the event loop, so batches grow with the load and latency does not.
 */
export function createBatcher<T>(options: BatcherOptions<T>): Batcher<T> {
  /** Waiting items by key; the order of keys is the order of service. */
  const waiting = new Map<string, T[]>();
  const busyKeys = new Set<string>();
  let queuedSize = 0;
  let inFlight = 0;
  let scheduled = false;
  let idleWaiters: (() => void)[] = [];

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      while (inFlight < options.maxInFlight) {
        const batch = take();
        if (batch.length === 0) break;
        start(batch);
      }
      settleIdle();
    });
  }

  function take(): T[] {
    const batch: T[] = [];
    let size = 0;
    for (const [key, items] of waiting) {
      if (busyKeys.has(key)) continue;
      let taken = 0;
      while (taken < items.length && batch.length < options.maxItems) {
        const item = items[taken]!;
        if (batch.length > 0 && size + options.sizeOf(item) > options.maxSize) break;
        size += options.sizeOf(item);
        batch.push(item);
        taken += 1;
      }
      if (taken === items.length) waiting.delete(key);
      else waiting.set(key, items.slice(taken));
      if (taken < items.length) break;
    }
    queuedSize -= size;
    return batch;
  }

  function start(batch: readonly T[]): void {
    const keys = new Set(batch.map(options.keyOf));
    for (const key of keys) busyKeys.add(key);
    inFlight += 1;
    void options.run(batch).finally(() => {
      for (const key of keys) busyKeys.delete(key);
      inFlight -= 1;
      schedule();
    });
  }

  function settleIdle(): void {
    if (waiting.size > 0 || inFlight > 0) return;
    for (const resolve of idleWaiters) resolve();
    idleWaiters = [];
  }

  return {
    add(item) {
      const key = options.keyOf(item);
      const items = waiting.get(key);
      if (items === undefined) waiting.set(key, [item]);
      else items.push(item);
      queuedSize += options.sizeOf(item);
      schedule();
    },
    get queuedSize() {
      return queuedSize;
    },
    idle() {
      return new Promise((resolve) => {
        idleWaiters.push(resolve);
        schedule();
      });
    },
  };
}
