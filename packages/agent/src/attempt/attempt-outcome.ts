import type { AttemptSpec, ReportedDataset, ReportedOutcome, RunError } from '@trainyard/protocol';
import type { ExitResult } from '../executor.ts';
import { signalOfExitCode } from './exit-signal.ts';

/** What the program left besides its exit code; read only when it ended well. */
export type Products =
  | {
      readonly ok: true;
      readonly outputs: Record<string, unknown> | null;
      readonly datasets: readonly ReportedDataset[];
    }
  | { readonly ok: false; readonly error: RunError };

export interface AttemptOutcome {
  readonly outcome: ReportedOutcome;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly error: RunError | null;
  readonly outputs: Record<string, unknown> | null;
  readonly datasets: readonly ReportedDataset[];
}

/** How an attempt ended, from what is known of it. Pure. */
export function judgeOutcome(facts: {
  readonly command: AttemptSpec['command'];
  /** `undefined` when no program was started. */
  readonly exit: ExitResult | undefined;
  readonly startError: RunError | null;
  readonly cancelRequested: boolean;
  readonly partitioned: boolean;
  /** The agent had to leave its machine. */
  readonly preempted: boolean;
  /** It gave its slot back, or was ended because it did not in time. */
  readonly released: boolean;
  /** Why it was ended for showing no progress. */
  readonly stalled: string | null;
  readonly products: Products;
  /** What a program of our own says of its failure. */
  readonly failure: RunError | null;
  /** Last lines of the output. */
  readonly logTail: string;
}): AttemptOutcome {
  const exitCode = facts.exit?.kind === 'exited' ? facts.exit.exitCode : null;
  const base = {
    exitCode,
    signal: exitCode === null ? null : signalOfExitCode(exitCode),
    error: null,
    outputs: null,
    datasets: [],
  };
  if (facts.partitioned) {
    return { ...base, outcome: 'failed', error: PARTITIONED };
  }
  if (facts.cancelRequested) return { ...base, outcome: 'cancelled' };
  if (facts.preempted) return { ...base, outcome: 'failed', error: PREEMPTED };
  if (facts.released) return { ...base, outcome: 'released' };
  if (facts.stalled !== null) {
    const message = withTail(facts.stalled, facts.logTail);
    return { ...base, outcome: 'failed', error: { code: 'stalled', message } };
  }
  if (facts.startError !== null) return { ...base, outcome: 'failed', error: facts.startError };
  if (facts.exit === undefined) return { ...base, outcome: 'failed', error: NEVER_STARTED };
  if (facts.exit.kind === 'vanished') return { ...base, outcome: 'failed', error: facts.exit.error };
  if (facts.exit.exitCode !== 0) {
    return {
      ...base,
      outcome: 'failed',
      error: facts.failure ?? exitError(facts.exit.exitCode, facts.command, facts.logTail),
    };
  }
  if (!facts.products.ok) return { ...base, outcome: 'failed', error: facts.products.error };
  return {
    ...base,
    outcome: 'completed',
    outputs: facts.products.outputs,
    datasets: facts.products.datasets,
  };
}

/** The last `count` lines of a text, at most `maxLength` characters. */
export function lastLines(text: string, count: number, maxLength: number): string {
  const lines = text.trimEnd().split('\n').slice(-count);
  return lines
    .map((line) => line.slice(line.lastIndexOf('\r', line.length - 2) + 1).trimEnd())
    .join('\n')
    .slice(-maxLength);
}

const PARTITIONED: RunError = {
  code: 'partitioned',
  message:
    'the agent could not reach the server until the lease had run out, and ended the program so that it cannot run twice',
};

const PREEMPTED: RunError = {
  code: 'preempted',
  message: 'the agent was stopped and ended the program; another attempt follows',
};

function withTail(text: string, logTail: string): string {
  return logTail === '' ? text : `${text}\n${logTail}`;
}

const NEVER_STARTED: RunError = { code: 'start_failed', message: 'the program was never started' };

function exitError(exitCode: number, command: AttemptSpec['command'], logTail: string): RunError {
  const tail = logTail === '' ? '' : `\n${logTail}`;
  const signal = signalOfExitCode(exitCode);
  if (signal !== null)
    return { code: 'signal', message: `ended by ${signal} (exit code ${exitCode})${tail}` };
  const program = typeof command === 'string' ? undefined : command[0];
  if (exitCode === 127) {
    const what =
      program === undefined ? 'a command of the script was not found' : `command not found: ${program}`;
    return { code: 'command_not_found', message: `exit code 127 (${what})${tail}` };
  }
  if (exitCode === 126) {
    const what = program === undefined ? 'a command of the script' : program;
    return { code: 'command_not_executable', message: `exit code 126 (cannot be executed: ${what})${tail}` };
  }
  return { code: 'exit_code', message: `exit code ${exitCode}${tail}` };
}
