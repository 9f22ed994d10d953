import type { RunStatus } from './run-status.ts';

/** Exit codes of the command line. Errors carry theirs in the error catalogue. */
export const EXIT = {
  ok: 0,
  internal: 1,
  usage: 2,
  notFound: 3,
  auth: 4,
  unreachable: 6,
  waitTimedOut: 7,
  failed: 10,
  cancelled: 11,
  waitingForPerson: 12,
  interrupted: 130,
} as const;

/** The exit code for a run's status; `undefined` while it still goes on. */
export function exitCodeOfRun(status: RunStatus): number | undefined {
  switch (status) {
    case 'completed':
    case 'stopped':
    case 'skipped':
      return EXIT.ok;
    case 'failed':
    case 'timed_out':
      return EXIT.failed;
    case 'cancelled':
      return EXIT.cancelled;
    case 'pending':
    case 'queued':
    case 'starting':
    case 'running':
    case 'paused':
    case 'waiting':
    case 'cancelling':
      return undefined;
    default:
      return status satisfies never;
  }
}
