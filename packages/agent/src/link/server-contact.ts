import { pause } from './backoff.ts';

/**
 * Whether the server answers, as the last calls tell. Who waits to try a call again goes on soon after any
 * other call was answered: long waits are for a server that is away, not for one that has come back.
 */
export class ServerContact {
  /** By the clock of `performance`; undefined while it answers. */
  #awaySinceMs: number | undefined;
  #changed = new AbortController();

  /** After each call: `false` when no answer came, or only that the server is not up. */
  note(isThere: boolean): void {
    if (this.#isAway !== isThere) return;
    this.#awaySinceMs = isThere ? undefined : performance.now();
    this.#changed.abort();
    this.#changed = new AbortController();
  }

  /** For how long no call was answered; 0 while the server answers, and before the first call. */
  get awayMs(): number {
    return this.#awaySinceMs === undefined ? 0 : performance.now() - this.#awaySinceMs;
  }

  get #isAway(): boolean {
    return this.#awaySinceMs !== undefined;
  }

  /** Waits `ms`, or until soon after the server has answered again. @throws the signal's reason when it fires */
  async backWithin(ms: number, signal: AbortSignal): Promise<void> {
    const untilMs = performance.now() + ms;
    await this.#change(ms, signal);
    // The server may have become away only now: that is no reason to go on.
    if (this.#isAway) await this.#change(untilMs - performance.now(), signal);
    // Those that waited do not all come at once, also not when another call fails again and again.
    await pause(Math.max(0, Math.min(SPREAD_MS * Math.random(), untilMs - performance.now())), signal);
  }

  /** True as soon as a call finds the server away; false when none has within `ms`. @throws as above */
  async lostWithin(ms: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#isAway) await this.#change(ms, signal);
    return this.#isAway;
  }

  async #change(ms: number, signal: AbortSignal): Promise<void> {
    if (ms > 0) await pause(ms, AbortSignal.any([signal, this.#changed.signal])).catch(() => undefined);
    signal.throwIfAborted();
  }
}

const SPREAD_MS = 500;
