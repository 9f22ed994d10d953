import { Backoff } from '../link/backoff.ts';
import { type CallResult, type RemoteCall, type Transport, TransportError } from '../transport/transport.ts';

/** Longest time of a call of ours that does nothing but look, signal or write small files. */
const CALL_LIMIT_MS = 60_000;

/**
 * One attempt's way to its host. Remembers since when the host cannot be reached: that is shown, and by itself
 * ends nothing.
 */
export class HostLink {
  readonly transport: Transport;
  /** Fires when the agent stops. */
  readonly closed: AbortSignal;
  #unreachableSinceMs: number | undefined;
  #lastFault: string | undefined;

  constructor(transport: Transport, closed: AbortSignal) {
    this.transport = transport;
    this.closed = closed;
  }

  get unreachableSinceMs(): number | undefined {
    return this.#unreachableSinceMs;
  }

  /** In words, while the host cannot be reached. */
  get lastFault(): string | undefined {
    return this.#lastFault;
  }

  /** One call. @throws TransportError, and the reason of the signal or of the stop */
  async once(call: RemoteCall, signal?: AbortSignal): Promise<CallResult> {
    this.closed.throwIfAborted();
    try {
      const either = signal === undefined ? this.closed : AbortSignal.any([this.closed, signal]);
      const result = await this.transport.run({ timeoutMs: CALL_LIMIT_MS, ...call, signal: either });
      this.#unreachableSinceMs = undefined;
      this.#lastFault = undefined;
      return result;
    } catch (error) {
      this.closed.throwIfAborted();
      signal?.throwIfAborted();
      if (error instanceof TransportError && error.fault !== 'too_large') {
        this.#unreachableSinceMs ??= performance.now();
        this.#lastFault = error.message;
      }
      throw error;
    }
  }

  /** Calls until there is a result. @throws when the signal fires, the agent stops, or `untilMs` is over */
  async persistently(
    call: RemoteCall,
    options: { readonly signal?: AbortSignal; readonly untilMs?: number } = {},
  ): Promise<CallResult> {
    const { signal, untilMs = Number.POSITIVE_INFINITY } = options;
    const backoff = new Backoff({ firstMs: 300, maxMs: 10_000 });
    for (;;) {
      try {
        return await this.once(call, signal);
      } catch (error) {
        if (!(error instanceof TransportError) || performance.now() > untilMs) throw error;
        await backoff.wait(signal === undefined ? this.closed : AbortSignal.any([this.closed, signal]));
      }
    }
  }
}
