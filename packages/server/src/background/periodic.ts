import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

export interface Periodic {
  stop(): Promise<void>;
}

/**
 * Calls `work` again and again with a pause of `everyMs` between the end of one call and the next. A call
 * that fails is logged and tried again at the next turn.
 */
export function startPeriodic(options: {
  readonly name: string;
  readonly everyMs: number;
  readonly work: () => Promise<void>;
  readonly log: Logger;
}): Periodic {
  const stopping = new AbortController();
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      await sleep(options.everyMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      await options
        .work()
        .catch((error: unknown) => options.log.warn({ err: error }, `${options.name} failed`));
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}
