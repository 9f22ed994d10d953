import type { MetricRecord, Tracker } from './tracker.ts';

export interface QueueLimits {
  /** Calls that may wait; values beyond that are left out, and counted. */
  readonly maxWaiting: number;
  /** How long one call may take before the next is made. */
  readonly callMs: number;
  /** How long the end of a run waits for a tracker. */
  readonly closeMs: number;
}

export const QUEUE_LIMITS: QueueLimits = { maxWaiting: 10_000, callMs: 30_000, closeMs: 10_000 };

type MakeCall = (tracker: Tracker) => unknown;
type Waiting = MakeCall | readonly MetricRecord[];

/** Makes the calls of one tracker, one after the other, and keeps its faults to itself. */
export class TrackerQueue {
  readonly #tracker: Tracker;
  readonly #limits: QueueLimits;
  readonly #warn: (message: string) => void;
  readonly #waiting: Waiting[] = [];
  #working: Promise<void> | undefined;
  #leftOut = 0;
  #faults = 0;

  constructor(tracker: Tracker, warn: (message: string) => void, limits: QueueLimits = QUEUE_LIMITS) {
    this.#tracker = tracker;
    this.#warn = warn;
    this.#limits = limits;
  }

  /** What begins and ends is never left out. */
  call(make: MakeCall): void {
    this.#add(make);
  }

  /** Values are left out of a tracker that is too slow. */
  track(records: readonly MetricRecord[]): void {
    if (this.#waiting.length >= this.#limits.maxWaiting) {
      if (this.#leftOut === 0) this.#tell('is too slow; values are left out of it');
      this.#leftOut += records.length;
      return;
    }
    this.#add(records);
  }

  #add(waiting: Waiting): void {
    this.#waiting.push(waiting);
    if (this.#working === undefined) this.#work();
  }

  /** Makes the last call, and waits for all that was asked for, for a time. */
  async close(): Promise<void> {
    this.call((tracker) => tracker.close?.());
    const isDone = await within(this.#working ?? Promise.resolve(), this.#limits.closeMs);
    if (!isDone)
      this.#tell(`has not ended within ${this.#limits.closeMs} ms; ${this.#waiting.length} calls are lost`);
    if (this.#leftOut > 0) this.#tell(`lacks ${this.#leftOut} values: it was too slow`);
    if (this.#faults > MAX_TOLD) this.#tell(`has failed ${this.#faults} times`);
  }

  /** A tracker that answers at once is called at once; behind one that makes us wait, the others wait too. */
  #work(): void {
    for (let make = this.#next(); make !== undefined; make = this.#next()) {
      const answer = this.#make(make);
      if (!(answer instanceof Promise)) continue;
      this.#working = this.#settled(answer).then(() => {
        this.#working = undefined;
        this.#work();
        return this.#working;
      });
      return;
    }
  }

  #next(): MakeCall | undefined {
    const first = this.#waiting.shift();
    if (first === undefined || typeof first === 'function') return first;
    const records = [...first];
    const { joinsValues = 0 } = this.#tracker;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (typeof next === 'function' || records.length + next.length > joinsValues) break;
      records.push(...next);
      this.#waiting.shift();
    }
    return (tracker) => tracker.track?.(records);
  }

  #make(make: MakeCall): unknown {
    try {
      return make(this.#tracker);
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  async #settled(answer: Promise<unknown>): Promise<void> {
    try {
      if (!(await within(answer, this.#limits.callMs)))
        this.#fault(`has not answered for ${this.#limits.callMs} ms`);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#fault(`has failed: ${error instanceof Error ? error.message : String(error)}`);
  }

  #fault(what: string): void {
    this.#faults += 1;
    if (this.#faults <= MAX_TOLD) this.#tell(what);
  }

  #tell(what: string): void {
    this.#warn(`The tracker "${this.#tracker.name}" ${what}.`);
  }
}

/** Faults of one tracker that are told one by one. */
const MAX_TOLD = 3;

/** Whether it settles in time. @throws what it rejects with, if it does so in time */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), ms);
  promise.catch(() => {});
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
