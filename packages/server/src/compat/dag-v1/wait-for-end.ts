import { isTerminalRunStatus } from '@trainyard/protocol';
import type { LiveBus } from '../../live/live-bus.ts';
import type { RunStore } from '../../store/runs.ts';

/** Safety net for announcements of other servers. */
const LOOK_MS = 1000;

/** Waits until a root run has ended, or the signal fires. Holds no connection to the database meanwhile. */
export async function waitForEnd(
  { bus, runs }: { readonly bus: LiveBus; readonly runs: RunStore },
  rootId: string,
  signal: AbortSignal,
): Promise<void> {
  let wake: () => void = () => {};
  const onTree = (change: { readonly rootId: string }): void => {
    if (change.rootId === rootId) wake();
  };
  bus.on('tree', onTree);
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort);
  try {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      const run = await runs.find(rootId);
      if (signal.aborted || run === undefined || isTerminalRunStatus(run.status)) return wake();
      await woken;
    }
  } finally {
    bus.off('tree', onTree);
    signal.removeEventListener('abort', onAbort);
  }
}
