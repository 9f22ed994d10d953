import type { ExitResult } from '../executor.ts';
import type { RemoteState } from './poll-answer.ts';

/** From the launch of the supervisor to the program's pid file. */
export const START_LIMIT_MS = 10_000;
/** From the end of the program to its exit file; the supervisor tries for ten minutes when the disk is full. */
const SUPERVISOR_LIMIT_MS = 15 * 60_000;

/**
 * What the state of an attempt on its host means; `undefined` while the program runs or its end may still be
 * written. Only the exit file gives an exit code. Pure.
 *
 * @param goneForMs since when the program was not seen alive, with the host answering
 * @param nowMs this machine's clock: that of the host may be wrong, so only its differences count
 */
export function judgeRemote(state: RemoteState, goneForMs: number, nowMs: number): ExitResult | undefined {
  if (state.isUnwatched && state.program !== 'alive') {
    return vanished(
      'unwatched',
      'the host ended the program, since no agent had looked at it for as long as the host allows ("trainyard hosts set NAME --unwatched-for")',
    );
  }
  if (state.exit !== undefined) {
    const agoMs = Math.max(0, state.hostTime - state.exit.endedAt) * 1000;
    return { kind: 'exited', exitCode: state.exit.exitCode, endedAtMs: nowMs - agoMs };
  }
  if (state.lock === 'prevented')
    return vanished('cancelled_before_start', 'it was cancelled before it started');
  if (state.bootId !== undefined && state.bootId !== state.hostBootId) {
    return vanished('machine_restarted', 'the host was restarted while the program ran');
  }
  if (state.program === 'alive') return undefined;
  // While the supervisor lives it is about to write the end, or to start the program.
  const patienceMs =
    state.supervisor === 'none' ? START_LIMIT_MS : state.supervisor === 'alive' ? SUPERVISOR_LIMIT_MS : 0;
  if (goneForMs < patienceMs) return undefined;
  if (state.lock === 'no') {
    return vanished(
      'start_lost',
      'the program was never started on the host: the start did not arrive there',
    );
  }
  return vanished(
    'process_vanished',
    state.program === 'none'
      ? 'the supervisor of the program went away before it had started it (was it killed?)'
      : `the program (pid ${state.pid}) is gone and its exit code is not known: its supervisor was killed, or it was killed together with it`,
  );
}

function vanished(code: string, message: string): ExitResult {
  return { kind: 'vanished', error: { code, message } };
}
