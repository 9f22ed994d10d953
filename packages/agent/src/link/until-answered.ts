import { isServerDown } from '@trainyard/client';
import { TrainyardError } from '@trainyard/protocol';
import { Backoff } from './backoff.ts';

/** Asks again while the server is away. @throws what the server refuses with, and the signal's reason */
export async function untilAnswered<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const backoff = new Backoff({ firstMs: 200, maxMs: 5000 });
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!isServerDown(error) && !isUnanswered(error)) throw error;
      await backoff.wait(signal);
    }
  }
}

/** True when no answer came, or none of a Trainyard server. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof TrainyardError && error.code === 'SERVER_UNREACHABLE';
}
