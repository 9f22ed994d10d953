import type { NodeError, Outcome, StopReason } from './events.ts';
import { outcomes } from './events.ts';
import type { LeafContext } from './leaf-attempt.ts';
import { LeafAttempt } from './leaf-attempt.ts';

/**
 * Does the work of a leaf. Whatever it returns means completed, except an object whose `outcome` is one of
 * `outcomes` (with `error`, if any); whatever it throws means failed.
 */
export type LeafHandler = (context: LeafContext) => unknown;

/** What the pool needs of the run that it works for. */
export interface PoolRun {
  /** These leaves are about to begin. */
  readonly prepare: (leaves: Int32Array) => void;
  /**
   * Notes that a leaf starts now, which is the instant of the last `end` with `isSameInstant`; null for one that
   * is not to start any more.
   */
  readonly begin: (node: number, isSameInstant: boolean) => LeafAttempt | null;
  readonly end: (node: number, attempt: number, outcome: Outcome, error: NodeError | null) => void;
}

/** After so many handlers in one turn others have theirs. */
const MOST_IN_A_ROW = 1_024;
const TAKEN_AT_ONCE = 32;

/** Leaves that wait for a slot. */
export interface WaitingLeaves {
  readonly length: number;
  add(leaf: number): void;
  /** -1 when there is none. */
  take(): number;
}

/**
 * Runs at most `slots` handlers at once, in the order in which `waiting` gives the leaves. A handler is never called in the same turn as
 * the decision that hands its leaf out, unless it is called between others that return no promise: those run one
 * after the other.
 */
export class LeafPool {
  readonly #run: PoolRun;
  readonly #handler: LeafHandler;
  readonly #slots: number;
  readonly #waiting: WaitingLeaves;
  /** Taken out of `#waiting`, and next from `#nextAt` up to (not including) `#nextEnd`. */
  readonly #next = new Int32Array(TAKEN_AT_ONCE);
  #nextAt = 0;
  #nextEnd = 0;
  /** Those whose handler has returned a promise. */
  readonly #running = new Map<number, LeafAttempt>();
  /** The one whose handler is on the stack. */
  #current: LeafAttempt | null = null;
  #isFilling = false;
  #isClosed = false;

  constructor(run: PoolRun, handler: LeafHandler, slots: number, waiting: WaitingLeaves) {
    if (!(slots >= 1)) throw new RangeError(`concurrency is ${slots}; it must be at least 1`);
    this.#run = run;
    this.#handler = handler;
    this.#slots = slots;
    this.#waiting = waiting;
  }

  add(node: number): void {
    this.#waiting.add(node);
    this.#fillSoon();
  }

  /** Asks a leaf to end. One that still waits ends by that; the queue then passes over it. */
  cancel(node: number, attempt: number, reason: StopReason): void {
    const isOnStack = this.#current !== null && LeafAttempt.nodeOf(this.#current) === node;
    const started = isOnStack ? this.#current : (this.#running.get(node) ?? null);
    if (started === null) this.#run.end(node, attempt, 'cancelled', null);
    else LeafAttempt.abort(started, reason);
  }

  /** Starts nothing more and tells everything that runs to end; nobody waits for it. */
  close(): void {
    this.#isClosed = true;
    if (this.#current !== null) LeafAttempt.abort(this.#current, 'cancel');
    for (const attempt of this.#running.values()) LeafAttempt.abort(attempt, 'cancel');
  }

  #fillSoon(): void {
    if (this.#isFilling) return;
    this.#isFilling = true;
    queueMicrotask(() => this.#fill());
  }

  #fill(): void {
    let hasJustEnded = false;
    for (let count = 0; count < MOST_IN_A_ROW; count++) {
      const node = this.#running.size >= this.#slots || this.#isClosed ? -1 : this.#take();
      if (node < 0) {
        this.#isFilling = false;
        return;
      }
      const attempt = this.#run.begin(node, hasJustEnded);
      hasJustEnded = attempt !== null && this.#start(attempt);
    }
    queueMicrotask(() => this.#fill());
  }

  /** -1 when none waits. */
  #take(): number {
    if (this.#nextAt === this.#nextEnd) {
      const count = Math.min(this.#waiting.length, TAKEN_AT_ONCE);
      if (count <= 1) return this.#waiting.take();
      for (let at = 0; at < count; at++) this.#next[at] = this.#waiting.take();
      this.#nextAt = 0;
      this.#nextEnd = count;
      if (count === TAKEN_AT_ONCE) this.#run.prepare(this.#next);
    }
    return this.#next[this.#nextAt++]!;
  }

  /** True when the leaf has already ended. */
  #start(attempt: LeafAttempt): boolean {
    this.#current = attempt;
    let report: Report;
    try {
      const value = this.#handler(attempt);
      if (isThenable(value)) {
        this.#follow(attempt, value);
        return false;
      }
      report = reported(value);
    } catch (thrown) {
      report = failed(attempt, thrown);
    } finally {
      this.#current = null;
    }
    this.#end(attempt, report);
    return true;
  }

  #follow(attempt: LeafAttempt, value: PromiseLike<unknown>): void {
    const node = LeafAttempt.nodeOf(attempt);
    this.#running.set(node, attempt);
    const end = (report: Report): void => {
      this.#running.delete(node);
      this.#end(attempt, report);
      this.#fillSoon();
    };
    void Promise.resolve(value)
      .then(reported)
      .then(end, (thrown: unknown) => end(failed(attempt, thrown)));
  }

  #end(attempt: LeafAttempt, { outcome, error }: Report): void {
    if (!this.#isClosed) this.#run.end(LeafAttempt.nodeOf(attempt), attempt.attempt, outcome, error ?? null);
  }
}

interface Report {
  readonly outcome: Outcome;
  readonly error?: NodeError;
}

const COMPLETED: Report = { outcome: 'completed' };

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function reported(value: unknown): Report {
  if (typeof value !== 'object' || value === null || !('outcome' in value)) return COMPLETED;
  const outcome = outcomes.find((known) => known === value.outcome);
  if (outcome === undefined) {
    const message = `the handler returned the unknown outcome ${JSON.stringify(value.outcome)}; use one of ${outcomes.join(', ')}`;
    return { outcome: 'failed', error: { code: 'unknown_outcome', message } };
  }
  const hasError = 'error' in value && value.error !== undefined && value.error !== null;
  return hasError ? { outcome, error: errorOf(value.error) } : { outcome };
}

function failed(attempt: LeafAttempt, thrown: unknown): Report {
  return LeafAttempt.isAborted(attempt)
    ? { outcome: 'cancelled' }
    : { outcome: 'failed', error: errorOf(thrown) };
}

/** Whatever was thrown, as the error of a node. */
export function errorOf(thrown: unknown): NodeError {
  if (typeof thrown !== 'object' || thrown === null) return { code: 'error', message: String(thrown) };
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : 'error';
  const message = 'message' in thrown ? String(thrown.message) : JSON.stringify(thrown);
  return { code, message };
}
