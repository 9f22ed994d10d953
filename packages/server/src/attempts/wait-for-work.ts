import type { LiveBus } from '../live/live-bus.ts';

/** Remembers whether work was announced since it was made, so that looking and waiting leave no gap. */
export function waitForWork(bus: LiveBus, signal: AbortSignal) {
  let wake: () => void = () => {};
  let isWoken = signal.aborted;
  const onWork = () => {
    isWoken = true;
    wake();
  };
  bus.on('work', onWork);
  signal.addEventListener('abort', onWork);
  return {
    /** Ends the wait. */
    wake: onWork,
    /** Resolves when work is announced, the signal aborts, or the time is over. */
    atMost(ms: number): Promise<void> {
      if (isWoken) return Promise.resolve();
      return new Promise((resolve) => {
        const timeout = setTimeout(resolve, ms);
        wake = () => {
          clearTimeout(timeout);
          resolve();
        };
      });
    },
    end(): void {
      bus.off('work', onWork);
      signal.removeEventListener('abort', onWork);
    },
  };
}
