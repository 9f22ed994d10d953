import type { Run, RunKind, RunStatus } from '@trainyard/protocol';
import { expect, it } from 'vitest';
import { isLeftToPeople, waitingHints } from './waiting-approvals.ts';

type Seen = readonly [kind: RunKind, status: RunStatus];
const isLeft = (...runs: Seen[]) => isLeftToPeople(runs.map(([kind, status]) => ({ kind, status })));
const root: Seen = ['pipeline', 'running'];
const asked: Seen = ['approval', 'waiting'];

it('a run is left to people when they alone can go on', () => {
  expect(isLeft(root, asked)).toBe(true);
  expect(isLeft(root, ['job', 'completed'], ['job', 'pending'], ['pipeline', 'pending'], asked)).toBe(true);
  expect(isLeft(root, ['pipeline', 'running'], asked, asked)).toBe(true);
});

it.each([
  ['running', 'job'],
  ['queued', 'job'],
  ['starting', 'job'],
  ['paused', 'job'],
  // For its next try, which comes by itself.
  ['waiting', 'job'],
  ['cancelling', 'approval'],
  ['cancelling', 'pipeline'],
] as const)('it is not while something is %s (%s)', (status, kind) => {
  expect(isLeft(root, asked, [kind, status])).toBe(false);
});

it('it is not when nobody is asked, or it has ended', () => {
  expect(isLeft(root, ['job', 'pending'])).toBe(false);
  expect(isLeft(['pipeline', 'completed'], ['approval', 'completed'])).toBe(false);
});

it('under a live tree it is said how to decide, and of many only some', () => {
  const asking = (id: string) => ({ id, path: `stage ${id}`, kind: 'approval', status: 'waiting' }) as Run;
  expect(waitingHints([{ ...asking('run_0'), kind: 'job' }])).toEqual([]);
  const hints = waitingHints(['run_1', 'run_2', 'run_3', 'run_4', 'run_5'].map(asking));
  expect(hints[1]).toBe('  trainyard runs approve run_1  (stage run_1)');
  expect(hints.at(-1)).toBe('  and 2 more: trainyard approvals list');
  expect(hints).toHaveLength(5);
});
