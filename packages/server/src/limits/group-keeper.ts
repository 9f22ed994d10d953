import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { LiveBus } from '../live/live-bus.ts';
import { WakeUp } from '../orchestrator/wake-up.ts';
import type { Database } from '../store/database.ts';
import { settleRunGroups } from './run-groups.ts';
import { settleStageGroups } from './stage-groups.ts';

/** Safety net for announcements that got lost, and for groups whose server is gone. */
const IDLE_MS = 1000;

/**
 * Decides about concurrency groups whenever something may have changed in one: a newcomer, an end, an attempt
 * that was handed out. Any server decides about all groups; what follows is told to the trees as facts.
 */
export function startGroupKeeper(options: {
  readonly database: Database;
  readonly bus: LiveBus;
  readonly log: Logger;
}): { stop(): Promise<void> } {
  const { database, bus, log } = options;
  const stopping = new AbortController();
  const wakeUp = new WakeUp();
  bus.on('groups', wakeUp.call);

  const tick = async (): Promise<void> => {
    const haveStages = await settleStageGroups(database.pool);
    const haveRuns = await settleRunGroups(database.pool);
    if (haveStages || haveRuns) bus.emit('inbox');
    // An agent that waits for work learns from its call that an attempt has to end.
    if (haveStages) bus.emit('work');
  };
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      const woken = wakeUp.within(IDLE_MS);
      try {
        await tick();
      } catch (error) {
        log.warn({ err: error }, 'concurrency groups could not be looked at');
        await sleep(IDLE_MS, undefined, { signal: stopping.signal }).catch(() => {});
      }
      await woken;
    }
  })();

  return {
    async stop() {
      stopping.abort();
      bus.off('groups', wakeUp.call);
      wakeUp.call();
      await loop;
    },
  };
}
