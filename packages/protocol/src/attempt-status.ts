import type { RunStatus } from './run-status.ts';

interface AttemptRow {
  readonly meaning: string;
  readonly terminal: boolean;
  /** What the run of this attempt shows while the attempt is in this status. */
  readonly run: RunStatus;
  readonly next: readonly string[];
}

const END = ['completed', 'stopped', 'failed', 'timed_out', 'cancelled', 'released', 'lost'] as const;

/** Every status of an attempt, once. */
export const ATTEMPT_STATUS_TABLE = {
  queued: {
    meaning: 'Waits to be claimed.',
    terminal: false,
    run: 'queued',
    next: ['leased', 'failed', 'cancelled', 'timed_out'],
  },
  leased: {
    meaning: 'Claimed by an agent; its process has not been reported yet.',
    terminal: false,
    run: 'starting',
    next: ['running', ...END],
  },
  running: { meaning: 'Its process runs.', terminal: false, run: 'running', next: ['paused', ...END] },
  paused: {
    meaning: 'Its process is halted on request.',
    terminal: false,
    run: 'paused',
    next: ['running', ...END],
  },
  completed: { meaning: 'The process ended with exit code 0.', terminal: true, run: 'completed', next: [] },
  stopped: { meaning: 'The process ended early under control.', terminal: true, run: 'stopped', next: [] },
  failed: {
    meaning: 'The process failed or could not be started, or no agent took it in time.',
    terminal: true,
    run: 'failed',
    next: [],
  },
  timed_out: { meaning: 'The process was ended at its timeout.', terminal: true, run: 'timed_out', next: [] },
  cancelled: {
    meaning: 'The process was ended on request, or never started.',
    terminal: true,
    run: 'cancelled',
    next: [],
  },
  released: {
    meaning: 'The process gave its slot back on request; another attempt goes on from its checkpoint.',
    terminal: true,
    run: 'paused',
    next: [],
  },
  lost: {
    meaning:
      'Its agent stopped answering and the lease and its grace ran out, or it never reached its agent.',
    terminal: true,
    run: 'failed',
    next: [],
  },
} as const satisfies Record<string, AttemptRow>;

export type AttemptStatus = keyof typeof ATTEMPT_STATUS_TABLE;
export const ATTEMPT_STATUSES = Object.keys(ATTEMPT_STATUS_TABLE) as [AttemptStatus, ...AttemptStatus[]];

/** How an attempt can end; `lost` is decided by the server, never reported by an agent. */
export const REPORTED_OUTCOMES = [
  'completed',
  'stopped',
  'failed',
  'timed_out',
  'cancelled',
  'released',
] as const;
export type ReportedOutcome = (typeof REPORTED_OUTCOMES)[number];
export type AttemptOutcome = ReportedOutcome | 'lost';

export function isTerminalAttemptStatus(status: AttemptStatus): boolean {
  return ATTEMPT_STATUS_TABLE[status].terminal;
}

/** Whether an agent has the attempt, and may report of it. */
export function isHeldAttemptStatus(status: AttemptStatus): boolean {
  return status !== 'queued' && !isTerminalAttemptStatus(status);
}

export function canAttemptGo(from: AttemptStatus, to: AttemptStatus): boolean {
  return (ATTEMPT_STATUS_TABLE[from].next as readonly string[]).includes(to);
}
