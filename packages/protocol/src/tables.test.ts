import { describe, expect, it } from 'vitest';
import {
  ATTEMPT_STATUS_TABLE,
  canAttemptGo,
  isTerminalAttemptStatus,
  REPORTED_OUTCOMES,
} from './attempt-status.ts';
import { ERRORS, type ErrorCode, isErrorCode, TrainyardError } from './errors.ts';
import { EVENT_TYPES } from './events.ts';
import { exitCodeOfRun } from './exit-code.ts';
import {
  ACTIVE_RUN_STATUSES,
  canRunGo,
  isSuccessfulRunStatus,
  isTerminalRunStatus,
  RUN_STATUS_TABLE,
  RUN_STATUSES,
  readRunStatus,
  TERMINAL_RUN_STATUSES,
} from './run-status.ts';

type Table = Readonly<Record<string, { meaning: string; terminal: boolean; next: readonly string[] }>>;
const tables: readonly (readonly [string, Table, string])[] = [
  ['run', RUN_STATUS_TABLE, 'pending'],
  ['attempt', ATTEMPT_STATUS_TABLE, 'queued'],
];

describe.each(tables)('the statuses of a %s', (_, table, first) => {
  it('lead to statuses that exist, never to themselves, and from a terminal one nowhere', () => {
    for (const [status, { next, terminal }] of Object.entries(table)) {
      expect(next.filter((name) => !Object.hasOwn(table, name) || name === status)).toEqual([]);
      expect(new Set(next).size).toBe(next.length);
      expect(next.length === 0, status).toBe(terminal);
    }
  });

  it('are all reached from the first one, and each leads to an end', () => {
    expect(reachedFrom(table, first)).toEqual(new Set(Object.keys(table)));
    for (const status of Object.keys(table)) {
      expect(
        [...reachedFrom(table, status)].some((name) => table[name]!.terminal),
        status,
      ).toBe(true);
    }
  });

  it('each have one sentence', () => {
    for (const { meaning } of Object.values(table)) expect(meaning).toMatch(/^[A-Z][^.]*\.$/);
  });
});

describe('what is derived from the tables', () => {
  it('parts the statuses of a run into active and terminal ones, with an exit code for the latter', () => {
    expect([...ACTIVE_RUN_STATUSES, ...TERMINAL_RUN_STATUSES].toSorted()).toEqual(RUN_STATUSES.toSorted());
    for (const status of RUN_STATUSES) {
      expect(exitCodeOfRun(status) !== undefined, status).toBe(isTerminalRunStatus(status));
      if (isSuccessfulRunStatus(status)) expect(exitCodeOfRun(status)).toBe(0);
    }
  });

  it('shows on a run what its attempt does, each outcome as itself', () => {
    for (const outcome of REPORTED_OUTCOMES) {
      expect(isTerminalAttemptStatus(outcome)).toBe(true);
      // A run whose attempt gave its slot back has not ended.
      expect(ATTEMPT_STATUS_TABLE[outcome].run).toBe(outcome === 'released' ? 'paused' : outcome);
    }
    expect(canAttemptGo('running', 'lost')).toBe(true);
    expect(canRunGo('completed', 'failed')).toBe(false);
    expect(canRunGo('running', 'running')).toBe(false);
  });

  it('reads older words, and no names of object properties', () => {
    expect(['Success', ' canceled ', 'RUNNING', 'timeout'].map(readRunStatus)).toEqual([
      'completed',
      'cancelled',
      'running',
      'timed_out',
    ]);
    expect(['constructor', '__proto__', 'toString', ''].map(readRunStatus)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('the error catalogue', () => {
  it('has codes in capitals, statuses of errors, exit codes of the command line and one sentence each', () => {
    for (const [code, { httpStatus, exitCode, meaning }] of Object.entries(ERRORS)) {
      expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
      expect(httpStatus).toBeGreaterThanOrEqual(400);
      expect(httpStatus).toBeLessThan(600);
      expect([1, 2, 3, 4, 6]).toContain(exitCode);
      expect(meaning).toMatch(/\.$/);
    }
    expect(isErrorCode('NOT_FOUND')).toBe(true);
    expect(isErrorCode('toString')).toBe(false);
  });

  it('is what an error tells, without its cause and stack', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const error = new TrainyardError(code, 'message', { cause: new Error('inside') });
      expect(error.toBody()).toEqual({
        error: { code, message: 'message', docs: `/docs/errors#${code.toLowerCase()}` },
      });
      expect({ httpStatus: error.httpStatus, exitCode: error.exitCode }).toEqual({
        httpStatus: ERRORS[code].httpStatus,
        exitCode: ERRORS[code].exitCode,
      });
    }
  });
});

describe('the event types', () => {
  it('say what happened and name their fields', () => {
    for (const [type, text] of Object.entries(EVENT_TYPES)) {
      expect(type).toMatch(/^[a-z]+\.[a-z_]+$/);
      expect(text).toMatch(/^[A-Z].*\. data: .*\.$/);
    }
  });
});

function reachedFrom(table: Table, first: string): Set<string> {
  const reached = new Set([first]);
  for (const status of reached) for (const next of table[status]!.next) reached.add(next);
  return reached;
}
