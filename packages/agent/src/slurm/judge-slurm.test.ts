import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judgeSlurm, type SlurmFacts } from './judge-slurm.ts';
import { isTransient, parsePlaces, parseRows, rowsOf, rowThatCounts, type SlurmRow } from './slurm-rows.ts';

const row = (state: string): SlurmRow => ({
  task: undefined,
  jobId: '7',
  name: 'att_1',
  state,
  reason: 'None',
  nodes: 'n1',
});
const EXIT = { exitCode: 3, endedAt: 90 };

function facts(change: Partial<SlurmFacts> & { exit?: typeof EXIT; lock?: 'no' | 'yes' | 'prevented' }) {
  const { exit, lock = 'yes', ...rest } = change;
  return {
    state: { lock, exit, hostTime: 100 },
    row: row('RUNNING'),
    wasSeen: true,
    overForMs: 0,
    wasTold: false,
    isCancelled: false,
    nowMs: 1_000_000,
    settleMs: 1000,
    ...rest,
  };
}
const codeOf = (given: SlurmFacts) => {
  const result = judgeSlurm(given);
  return result?.kind === 'vanished' ? result.error.code : result?.exitCode;
};

describe('the end of an attempt in Slurm (scenario 42)', () => {
  test('is what its exit file says, whatever Slurm says, unless someone else told it to end', () => {
    const states = fc.constantFrom(
      'PENDING',
      'RUNNING',
      'COMPLETED',
      'FAILED',
      'CANCELLED',
      'NODE_FAIL',
      'NEW',
    );
    fc.assert(
      fc.property(states, fc.nat(100_000), fc.boolean(), (state, overForMs, isKnown) => {
        const given = facts({ exit: EXIT, row: isKnown ? row(state) : undefined, overForMs });
        expect(judgeSlurm(given)).toEqual({ kind: 'exited', exitCode: 3, endedAtMs: 990_000 });
      }),
    );
  });

  test('is never told by a Slurm that does not answer, or by a state that is not the last', () => {
    const states = fc.constantFrom(
      'PENDING',
      'RUNNING',
      'SUSPENDED',
      'COMPLETING',
      'REQUEUED',
      'SPECIAL_EXIT',
      'X',
    );
    fc.assert(
      fc.property(states, fc.boolean(), (state, isKnown) => {
        expect(judgeSlurm(facts({ row: isKnown ? row(state) : undefined, overForMs: 0 }))).toBeUndefined();
      }),
    );
  });

  test.each([
    ['TIMEOUT', 'time_limit'],
    ['DEADLINE', 'time_limit'],
    ['PREEMPTED', 'preempted'],
    ['NODE_FAIL', 'node_failed'],
    ['BOOT_FAIL', 'node_failed'],
    ['CANCELLED', 'slurm_cancelled'],
    ['OUT_OF_MEMORY', 'out_of_memory'],
    ['FAILED', 'process_vanished'],
    ['COMPLETED', 'process_vanished'],
  ])('of %s without an exit file is %s, once the file had time to be seen', (state, code) => {
    expect(codeOf(facts({ row: row(state), overForMs: 999 }))).toBeUndefined();
    expect(codeOf(facts({ row: row(state), overForMs: 1000 }))).toBe(code);
  });

  test('is a failed launch when the script never came to the program', () => {
    expect(codeOf(facts({ row: row('FAILED'), lock: 'no', overForMs: 1000 }))).toBe('slurm_launch_failed');
  });

  test('of a job that was purged is a loss, after patience', () => {
    expect(codeOf(facts({ row: undefined, overForMs: 3999 }))).toBeUndefined();
    expect(codeOf(facts({ row: undefined, overForMs: 4000 }))).toBe('process_vanished');
    const unknown = { row: undefined, lock: 'no', overForMs: 4000 } as const;
    expect(codeOf(facts({ ...unknown, wasSeen: false }))).toBe('start_lost');
    // As with a task of an array that someone cancels while it waits.
    expect(codeOf(facts(unknown))).toBe('slurm_cancelled');
  });

  test.each([
    ['COMPLETED', 'time_limit'],
    ['FAILED', 'time_limit'],
    ['TIMEOUT', 'time_limit'],
    ['PREEMPTED', 'preempted'],
    ['NODE_FAIL', 'node_failed'],
    ['CANCELLED', 3],
    ['RUNNING', undefined],
  ])('of a program that Slurm told to end is told by Slurm: %s', (state, code) => {
    expect(codeOf(facts({ exit: EXIT, wasTold: true, row: row(state) }))).toBe(code);
  });

  test('of a program that we cancelled is its exit code', () => {
    expect(codeOf(facts({ exit: EXIT, wasTold: true, isCancelled: true }))).toBe(3);
    expect(codeOf(facts({ lock: 'prevented' }))).toBe('cancelled_before_start');
  });
});

test('reads rows, and leaves out what is none', () => {
  expect(parseRows('12|att_1|PENDING||N/A|(Resources)|x\nslurm_load_jobs error\n\n')).toEqual([
    { jobId: '12', task: undefined, name: 'att_1', state: 'PENDING', nodes: '', reason: '(Resources)|x' },
  ]);
});

test('counts the job that goes on, else the newest', () => {
  const [old, running, newest] = parseRows('9|a|FAILED|||\n10|a|RUNNING|||\n11|a|COMPLETED|||');
  expect(rowThatCounts([old!, running!, newest!])).toBe(running);
  expect(rowThatCounts([old!, newest!])).toBe(newest);
  expect(rowThatCounts([])).toBeUndefined();
});

test('takes rows by the name of the attempt, or as the task of an array that it was handed over in', () => {
  const rows = parseRows('1|a|RUNNING||N/A|\n2|x|RUNNING||0|\n3|x|PENDING||1|\n4|y|PENDING||1|');
  const places = parsePlaces('x 1\nbroken\n');
  expect(places).toEqual([{ array: 'x', task: '1' }]);
  expect(rowsOf(rows, 'b', places).map(({ jobId }) => jobId)).toEqual(['3']);
  expect(rowsOf(rows, 'a', []).map(({ jobId }) => jobId)).toEqual(['1']);
});

test.each([
  ['sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)', true],
  ['sbatch: error: Batch job submission failed: Socket timed out on send/recv operation', true],
  ['sbatch: error: Batch job submission failed: Invalid partition name specified', false],
  ['sbatch: error: Memory specification can not be satisfied', false],
])('tells whether to ask again: %s', (text, answer) => {
  expect(isTransient(text)).toBe(answer);
});
