import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { WakeUp } from '../orchestrator/wake-up.ts';

/** Safety net for wake-ups that got lost, and the wait after a round that failed. */
const IDLE_MS = 1000;

/**
 * Does round after round until the signal fires: at once while a round says that there may be more, else when
 * woken, at the latest a second later. A round that fails is logged and tried again.
 */
export async function runWokenLoop(options: {
  /** For the log: what could not be looked after. */
  readonly name: string;
  readonly tick: () => Promise<boolean>;
  readonly wakeUp: WakeUp;
  /** Between two rounds, so that what comes in quick succession is taken together. */
  readonly pauseMs: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}): Promise<void> {
  const { name, tick, wakeUp, pauseMs, signal, log } = options;
  while (!signal.aborted) {
    // Before looking, so that a call in between is not lost.
    const woken = wakeUp.within(IDLE_MS);
    let isMore = false;
    try {
      isMore = await tick();
    } catch (error) {
      log.warn({ err: error }, `${name} could not be looked after`);
      await sleep(IDLE_MS, undefined, { signal }).catch(() => {});
    }
    if (!isMore) await woken;
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
}
