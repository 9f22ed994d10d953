import { randomUUID } from 'node:crypto';
import type { ClaimedWork, ClaimWork, HeldAttempt } from '@trainyard/protocol';
import { type Backoff, pause } from './backoff.ts';
import { leaseNowMs } from './lease-clock.ts';

export interface Capacity {
  readonly free: number;
  readonly freeGpus: number;
}

export interface ClaimLoopOptions {
  readonly claim: (body: ClaimWork, signal: AbortSignal) => Promise<ClaimedWork>;
  /** Undefined when work may be asked for at all, else resolves when that is so. */
  readonly ready?: () => Promise<void> | undefined;
  readonly capacity: () => Capacity;
  /** Queues that work is wanted of; undefined: all that the agent serves. */
  readonly queues?: readonly string[] | undefined;
  readonly held: () => HeldAttempt[];
  /** Of the agent's other loops. */
  readonly otherRequests?: () => readonly string[];
  /**
   * Takes the assignments; resolves when they count as held. `askedAtMs`: when the call was sent that brought them,
   * by the clock of leases. The answer may have waited since then, while this process stood still.
   */
  readonly onWork: (work: ClaimedWork, askedAtMs: number) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
  readonly waitMs: number;
  readonly backoff: Backoff;
}

/**
 * Asks for work, one call at a time. All calls up to one that brings work have the same request id. So what
 * the server assigned to a call whose answer was lost, or that was given up because more became free, comes
 * with the next answer, also when the two calls crossed.
 */
export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  #requestId = randomUUID();
  #asked: { readonly capacity: Capacity; readonly call: AbortController } | undefined;
  #settled: (() => void)[] = [];

  constructor(options: ClaimLoopOptions) {
    this.#options = options;
  }

  /** What is asked for by the next call, or by the one that waits. */
  get requestId(): string {
    return this.#requestId;
  }

  /** To be called when something became free. */
  capacityChanged(): void {
    if (this.#asked === undefined) return;
    const { capacity, call } = this.#asked;
    const now = this.#options.capacity();
    // A call that offers a slot already is answered when there is work; only what it could not get matters.
    const gained =
      (capacity.free === 0 && now.free > 0) || (now.free > 0 && now.freeGpus > capacity.freeGpus);
    if (gained) call.abort();
  }

  /**
   * Gives the present call up and asks once more without waiting. Resolves when that call has ended: what
   * the server assigned before is held then, and nothing beyond the present capacity follows.
   */
  settle(): Promise<void> {
    return new Promise((resolve) => {
      this.#settled.push(resolve);
      this.#asked?.call.abort();
    });
  }

  /** Runs until `signal` fires. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await this.tick(signal);
    this.#resolveSettled(this.#settled.splice(0));
  }

  /** One call, with the wait after a failure. */
  async tick(signal: AbortSignal): Promise<void> {
    const ready = this.#options.ready?.();
    if (ready !== undefined) await ready;
    const { claim, queues, held, otherRequests, onWork, onFailure, waitMs, backoff } = this.#options;
    const capacity = this.#options.capacity();
    const call = new AbortController();
    this.#asked = { capacity, call };
    const settling = this.#settled.splice(0);
    const onStop = () => call.abort();
    signal.addEventListener('abort', onStop, { once: true });
    try {
      const { free, freeGpus } = capacity;
      const body = {
        requestId: this.#requestId,
        openRequests: [...(otherRequests?.() ?? [])],
        ...(queues && { queues: [...queues] }),
        free: Math.min(free, MAX_FREE),
        freeGpus,
        held: held(),
        waitMs: settling.length > 0 ? 0 : waitMs,
      };
      const calledAtMs = performance.now();
      const askedAtMs = leaseNowMs();
      const work = await claim(body, call.signal);
      this.#asked = undefined;
      await onWork(work, askedAtMs);
      if (work.assignments.length > 0) this.#requestId = randomUUID();
      backoff.reset();
      // A command may be repeated until the program is gone; that must not become a busy loop.
      const tookMs = performance.now() - calledAtMs;
      if (work.assignments.length === 0 && tookMs < MIN_IDLE_MS) {
        await pause(MIN_IDLE_MS - tookMs, signal).catch(() => undefined);
      }
    } catch (error) {
      this.#asked = undefined;
      if (call.signal.aborted) return;
      onFailure(error);
      this.#resolveSettled(settling.splice(0));
      await backoff.wait(signal).catch(() => undefined);
    } finally {
      signal.removeEventListener('abort', onStop);
      this.#resolveSettled(settling);
    }
  }

  #resolveSettled(settling: readonly (() => void)[]): void {
    for (const resolve of settling) resolve();
  }
}

/** The most that one call may ask for (protocol). */
const MAX_FREE = 1000;
/** Shortest time from one call without new work to the next. */
const MIN_IDLE_MS = 200;
