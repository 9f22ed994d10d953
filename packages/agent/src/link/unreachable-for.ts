import type { RunningAttempt } from '../executor.ts';

/** For how long the machine of an attempt cannot be reached, as heartbeats tell it. */
export function unreachableFor(running: RunningAttempt | undefined): { unreachableForMs?: number } {
  const since = running?.unreachableSinceMs;
  return since === undefined ? {} : { unreachableForMs: Math.round(performance.now() - since) };
}
