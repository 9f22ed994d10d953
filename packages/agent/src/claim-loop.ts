import { randomUUID } from 'node:crypto';
import type { ClaimedWork, ClaimWork, HeldAttempt } from '@trainyard/protocol';
import type { Backoff } from './backoff.ts';

export interface Capacity {
  readonly free: number;
  readonly freeGpus: number;
}

export interface ClaimLoopOptions {
  readonly claim: (body: ClaimWork, signal: AbortSignal) => Promise<ClaimedWork>;
  readonly capacity: () => Capacity;
  readonly held: () => HeldAttempt[];
  /** Takes the assignments; resolves when they count as held. */
  readonly onWork: (work: ClaimedWork) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
  readonly waitMs: number;
  readonly backoff: Backoff;
}

/**
 * Asks for work, one call at a time. A call whose answer was lost, or that was given up because more became
 * free, is repeated under the same request id: whatever the server had assigned to it comes again.
 */
export class ClaimLoop {
  readonly #options: ClaimLoopOptions;
  #requestId = randomUUID();
  #asked: { readonly capacity: Capacity; readonly call: AbortController } | undefined;

  constructor(options: ClaimLoopOptions) {
    this.#options = options;
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

  /** Runs until `signal` fires. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await this.tick(signal);
  }

  /** One call, with the wait after a failure. */
  async tick(signal: AbortSignal): Promise<void> {
    const { claim, held, onWork, onFailure, waitMs, backoff } = this.#options;
    const capacity = this.#options.capacity();
    const call = new AbortController();
    this.#asked = { capacity, call };
    const onStop = () => call.abort();
    signal.addEventListener('abort', onStop, { once: true });
    try {
      const { free, freeGpus } = capacity;
      const body = {
        requestId: this.#requestId,
        free: Math.min(free, MAX_FREE),
        freeGpus,
        held: held(),
        waitMs,
      };
      const work = await claim(body, call.signal);
      this.#asked = undefined;
      await onWork(work);
      this.#requestId = randomUUID();
      backoff.reset();
    } catch (error) {
      this.#asked = undefined;
      if (call.signal.aborted) return;
      onFailure(error);
      await backoff.wait(signal).catch(() => undefined);
    } finally {
      signal.removeEventListener('abort', onStop);
    }
  }
}

/** The most that one call may ask for (protocol). */
const MAX_FREE = 1000;
