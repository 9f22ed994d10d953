import { setTimeout as delay } from 'node:timers/promises';
import type { ServerContact } from './server-contact.ts';

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** Left out: what is tried again does not depend on the server. */
  readonly contact?: ServerContact;
}

/** Waiting times that double up to a limit, each with jitter of ±25 % so that agents do not come in step. */
export class Backoff {
  readonly #options: BackoffOptions;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#nextMs = options.firstMs;
  }

  reset(): void {
    this.#nextMs = this.#options.firstMs;
  }

  /**
   * Waits and doubles the next wait.
   * @param leastMs asked for by the other side; never shortened by the jitter
   * @throws the signal's reason when it fires
   */
  async wait(signal: AbortSignal, leastMs = 0): Promise<void> {
    const ms = leastMs > this.#nextMs ? leastMs * (1 + 0.25 * Math.random()) : withJitter(this.#nextMs, 0.25);
    this.#nextMs = Math.min(this.#nextMs * 2, this.#options.maxMs);
    const { contact } = this.#options;
    if (contact === undefined) return pause(ms, signal);
    if (leastMs > 0) await pause(leastMs, signal);
    await contact.backWithin(ms - leastMs, signal);
  }
}

/** Waits `ms`. @throws the signal's reason when it fires */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}

export function withJitter(ms: number, share: number): number {
  return ms * (1 + share * (2 * Math.random() - 1));
}
