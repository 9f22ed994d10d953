/** What one row of the status table says. */
interface StatusRow {
  /** One sentence for people: docs, tooltips and `--help` read it from here. */
  readonly meaning: string;
  readonly terminal: boolean;
  /** Counts as success for dependents. */
  readonly success: boolean;
  /** Statuses that may follow. A terminal status has none: terminal is final. */
  readonly next: readonly string[];
}

const END = ['completed', 'stopped', 'failed', 'timed_out', 'cancelled'] as const;

/** Every status of a run, once. Groups and the transition check below are derived from this table. */
export const RUN_STATUS_TABLE = {
  pending: {
    meaning: 'Waits for the stages it depends on, or for room in its pipeline.',
    terminal: false,
    success: false,
    next: ['queued', 'running', 'waiting', 'cancelled', 'skipped', 'timed_out'],
  },
  queued: {
    meaning: 'Ready; waits for an agent with a free slot, or as a run for its turn in its group.',
    terminal: false,
    success: false,
    next: ['starting', 'running', 'paused', 'waiting', 'cancelling', ...END],
  },
  starting: {
    meaning: 'Claimed by an agent that is starting its process.',
    terminal: false,
    success: false,
    next: ['running', 'paused', 'queued', 'waiting', 'cancelling', ...END],
  },
  running: {
    meaning: 'Its process, or one of its stages, is at work.',
    terminal: false,
    success: false,
    next: ['paused', 'queued', 'waiting', 'cancelling', ...END],
  },
  paused: {
    meaning: 'Halted on request; paused time counts against no deadline.',
    terminal: false,
    success: false,
    next: ['running', 'queued', 'starting', 'waiting', 'cancelling', ...END],
  },
  waiting: {
    meaning: 'Waits for a retry delay or for a person; holds no slot.',
    terminal: false,
    success: false,
    next: ['queued', 'running', 'cancelling', ...END],
  },
  cancelling: {
    meaning: 'Cancel was requested; its processes are being ended.',
    terminal: false,
    success: false,
    next: [...END],
  },
  completed: { meaning: 'Ended well.', terminal: true, success: true, next: [] },
  stopped: {
    meaning: 'Ended early under control; counts as success for dependents.',
    terminal: true,
    success: true,
    next: [],
  },
  failed: {
    meaning: 'Ended with an error of its own or of a stage inside.',
    terminal: true,
    success: false,
    next: [],
  },
  timed_out: {
    meaning: 'Passed its timeout or deadline and was ended.',
    terminal: true,
    success: false,
    next: [],
  },
  cancelled: { meaning: 'Ended on request.', terminal: true, success: false, next: [] },
  skipped: {
    meaning: 'Never started, because of the outcome of another stage.',
    terminal: true,
    success: false,
    next: [],
  },
} as const satisfies Record<string, StatusRow>;

export type RunStatus = keyof typeof RUN_STATUS_TABLE;

export const RUN_STATUSES = Object.keys(RUN_STATUS_TABLE) as [RunStatus, ...RunStatus[]];
export const TERMINAL_RUN_STATUSES: readonly RunStatus[] = RUN_STATUSES.filter(isTerminalRunStatus);
export const ACTIVE_RUN_STATUSES: readonly RunStatus[] = RUN_STATUSES.filter((s) => !isTerminalRunStatus(s));

export function isTerminalRunStatus(status: RunStatus): boolean {
  return RUN_STATUS_TABLE[status].terminal;
}

export function isSuccessfulRunStatus(status: RunStatus): boolean {
  return RUN_STATUS_TABLE[status].success;
}

/** True when a run may go from `from` to `to`. A repeat of the same status is not a transition. */
export function canRunGo(from: RunStatus, to: RunStatus): boolean {
  return (RUN_STATUS_TABLE[from].next as readonly string[]).includes(to);
}

/** Spellings of older systems, accepted on input by compatibility APIs and by filters. */
const OLDER_WORDS: Readonly<Record<string, RunStatus>> = {
  success: 'completed',
  succeeded: 'completed',
  finished: 'completed',
  complete: 'completed',
  canceled: 'cancelled',
  aborted: 'cancelled',
  killed: 'cancelled',
  error: 'failed',
  timeout: 'timed_out',
  scheduled: 'queued',
  created: 'pending',
};

/** Reads a status word of ours or of an older system; `undefined` when it is neither. */
export function readRunStatus(word: string): RunStatus | undefined {
  const key = word.trim().toLowerCase();
  if (Object.hasOwn(RUN_STATUS_TABLE, key)) return key as RunStatus;
  return Object.hasOwn(OLDER_WORDS, key) ? OLDER_WORDS[key] : undefined;
}
