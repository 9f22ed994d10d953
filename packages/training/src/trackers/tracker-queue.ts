import type { Tracker } from './tracker.ts';

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

/** Makes the calls of one tracker, one after the other, and keeps its faults to itself. */
export class TrackerQueue {
  readonly #tracker: Tracker;
  readonly #limits: QueueLimits;
  readonly #warn: (message: string) => void;
  readonly #waiting: MakeCall[] = [];
  #working: Promise<void> | undefined;
  #leftOut = 0;
  #faults = 0;

  constructor(tracker: Tracker, warn: (message: string) => void, limits: QueueLimits = QUEUE_LIMITS) {
    this.#tracker = tracker;
    this.#warn = warn;
    this.#limits = limits;
  }

  /** Values may be left out of a tracker that is too slow; what begins and ends may not. */
  call(make: MakeCall, { isValue }: { readonly isValue: boolean }): void {
    if (isValue && this.#waiting.length >= this.#limits.maxWaiting) {
      if (this.#leftOut === 0) this.#tell('is too slow; values are left out of it');
      this.#leftOut += 1;
      return;
    }
    this.#waiting.push(make);
    if (this.#working === undefined) this.#work();
  }

  /** Makes the last call, and waits for all that was asked for, for a time. */
  async close(): Promise<void> {
    this.call((tracker) => tracker.close?.(), { isValue: false });
    const isDone = await within(this.#working ?? Promise.resolve(), this.#limits.closeMs);
    if (!isDone)
      this.#tell(`has not ended within ${this.#limits.closeMs} ms; ${this.#waiting.length} calls are lost`);
    if (this.#leftOut > 0) this.#tell(`lacks ${this.#leftOut} values: it was too slow`);
    if (this.#faults > MAX_TOLD) this.#tell(`has failed ${this.#faults} times`);
  }

  /** A tracker that answers at once is called at once; behind one that makes us wait, the others wait too. */
  #work(): void {
    for (let make = this.#waiting.shift(); make !== undefined; make = this.#waiting.shift()) {
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
