import type { RunKind, RunStatus } from '@trainyard/protocol';
import { expect, it } from 'vitest';
import { isLeftToPeople } from './waiting-approvals.ts';

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
