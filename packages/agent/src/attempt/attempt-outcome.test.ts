import { expect, test } from 'vitest';
import type { ExitResult } from '../executor.ts';
import { judgeOutcome, lastLines } from './attempt-outcome.ts';
import { signalOfExitCode } from './exit-signal.ts';

type Facts = Parameters<typeof judgeOutcome>[0];

const exited = (exitCode: number): ExitResult => ({ kind: 'exited', exitCode, endedAtMs: 0 });
const judge = (facts: Partial<Facts>) =>
  judgeOutcome({
    command: ['train'],
    exit: exited(0),
    startError: null,
    cancelRequested: false,
    partitioned: false,
    preempted: false,
    released: false,
    stalled: null,
    products: { ok: true, outputs: { a: 1 }, datasets: [] },
    failure: null,
    logTail: '',
    ...facts,
  });

test('an exit with 0 completes with the outputs', () => {
  expect(judge({})).toEqual({
    outcome: 'completed',
    exitCode: 0,
    signal: null,
    error: null,
    outputs: { a: 1 },
    datasets: [],
  });
});

test('an exit with 0 fails when its products cannot be read', () => {
  const error = { code: 'invalid_outputs', message: 'no' };
  expect(judge({ products: { ok: false, error } })).toMatchObject({ outcome: 'failed', exitCode: 0, error });
});

test('a cancel that took effect is neither success nor failure, whatever the exit code', () => {
  for (const code of [0, 1, 143]) {
    expect(judge({ cancelRequested: true, exit: exited(code) })).toMatchObject({
      outcome: 'cancelled',
      error: null,
    });
  }
  expect(judge({ cancelRequested: true, exit: undefined })).toMatchObject({
    outcome: 'cancelled',
    exitCode: null,
  });
});

test('a partition is named before a cancel', () => {
  expect(judge({ partitioned: true, cancelRequested: true }).error?.code).toBe('partitioned');
});

test.each([
  [3, 'exit_code', 'exit code 3\nlast words'],
  [126, 'command_not_executable', 'exit code 126 (cannot be executed: train)\nlast words'],
  [127, 'command_not_found', 'exit code 127 (command not found: train)\nlast words'],
  [137, 'signal', 'ended by SIGKILL (exit code 137)\nlast words'],
  [255, 'exit_code', 'exit code 255\nlast words'],
])('exit code %i is told as %s', (exitCode, code, message) => {
  const outcome = judge({ exit: exited(exitCode), logTail: 'last words' });
  expect(outcome).toMatchObject({ outcome: 'failed', exitCode, error: { code, message }, outputs: null });
});

test('what never started or vanished keeps its own reason', () => {
  const error = { code: 'working_dir_missing', message: 'no such directory' };
  expect(judge({ exit: undefined, startError: error })).toMatchObject({
    outcome: 'failed',
    exitCode: null,
    error,
  });
  const gone = { code: 'machine_restarted', message: 'restarted' };
  expect(judge({ exit: { kind: 'vanished', error: gone } })).toMatchObject({
    outcome: 'failed',
    error: gone,
  });
});

test('signals have the names that people know', () => {
  const names = [129, 130, 134, 137, 139, 143].map(signalOfExitCode);
  expect(names).toEqual(['SIGHUP', 'SIGINT', 'SIGABRT', 'SIGKILL', 'SIGSEGV', 'SIGTERM']);
  expect([0, 1, 128, 255].map(signalOfExitCode)).toEqual([null, null, null, null]);
});

test('the last lines show what a terminal would: the end of a progress bar, not all of it', () => {
  expect(lastLines('a\nb\n10%\r20%\r30%\nerror\n', 2, 100)).toBe('30%\nerror');
  expect(lastLines('one\r\ntwo\r\n', 5, 100)).toBe('one\ntwo');
  expect(lastLines('x'.repeat(50), 5, 10)).toBe('x'.repeat(10));
  expect(lastLines('', 5, 10)).toBe('');
});
