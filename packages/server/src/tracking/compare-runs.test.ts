import { expect, it } from 'vitest';
import { type ComparedMetric, compareRuns, goalOf } from './compare-runs.ts';
import type { TrackedRun } from './read-runs.ts';

const run = (id: string): TrackedRun => ({
  id,
  kind: 'external',
  experimentId: 0,
  name: id,
  userId: '',
  status: 'completed',
  startMs: 0,
  endMs: 1000,
  isDeleted: false,
  artifactUri: null,
  artifactLocation: null,
  forkedFrom: null,
  forkedStep: null,
});
const metric = (
  key: string,
  last: number,
  min: number | null = last,
  max: number | null = last,
): ComparedMetric => ({
  key,
  last,
  lastStep: 9,
  min,
  max,
  points: 10,
});

it('puts runs side by side, with the best of each metric', () => {
  const compared = compareRuns([
    {
      run: run('a'),
      params: [
        { key: 'lr', value: '1' },
        { key: 'bs', value: '8' },
      ],
      metrics: [metric('loss', 0.5, 0.2, 3)],
    },
    {
      run: run('b'),
      params: [
        { key: 'lr', value: '2' },
        { key: 'bs', value: '8' },
        { key: 'wd', value: '0' },
      ],
      metrics: [
        metric('loss', Number.NaN, 0.3, 2),
        metric('val_acc', 0.7, 0.1, 0.9),
        metric('other', Number.NaN, null, null),
      ],
    },
  ]);
  expect(compared.params).toEqual([
    { key: 'lr', isDifferent: true, values: ['1', '2'] },
    { key: 'wd', isDifferent: true, values: [null, '0'] },
    { key: 'bs', isDifferent: false, values: ['8', '8'] },
  ]);
  expect(compared.metrics).toMatchObject([
    {
      key: 'loss',
      goal: 'min',
      bestRun: 0,
      runs: [
        { last: 0.5, best: 0.2 },
        { last: 'NaN', best: 0.3 },
      ],
    },
    { key: 'other', goal: null, bestRun: null, runs: [null, { last: 'NaN', best: 'NaN' }] },
    { key: 'val_acc', goal: 'max', bestRun: 1, runs: [null, { last: 0.7, best: 0.9 }] },
  ]);
  expect(compared.runs[0]).toEqual({
    id: 'a',
    name: 'a',
    experimentId: 0,
    status: 'completed',
    startedAt: '1970-01-01T00:00:00.000Z',
    endedAt: '1970-01-01T00:00:01.000Z',
  });
});

it.each([
  ['train/loss', 'min'],
  ['val_loss', 'min'],
  ['rmse', 'min'],
  ['eval.accuracy', 'max'],
  ['mAP', 'max'],
  ['epoch', null],
  ['lr', null],
])('knows of %s which way is better: %s', (key, goal) => {
  expect(goalOf(key)).toBe(goal);
});
