import type { Executor, RunningAttempt } from '../executor.ts';

/** Starts no process and completes at once: measures the way from claim to report alone. */
export const noopExecutor: Executor = {
  name: 'noop',
  usesAttemptDir: false,
  start: async () => completed,
  adopt: async () => undefined,
};

const completed: RunningAttempt = {
  pid: undefined,
  alive: () => false,
  waitForExit: async () => ({ kind: 'exited', exitCode: 0, endedAtMs: Date.now() }),
  cancel: async () => false,
  cleanUp: async () => undefined,
};
