import { RUN_STATUSES } from '@trainyard/protocol';
import { expect, test } from 'vitest';
import { sampleRun, sampleTree } from '../testing/sample-runs.ts';
import {
  ancestry,
  applyRuns,
  buildRunModel,
  dependenciesOf,
  findByPath,
  leavesUnder,
  progress,
  rollUp,
} from './run-model.ts';

const tree = sampleTree('digits', [
  { name: 'prepare', status: 'completed' },
  {
    name: 'sweep',
    dependsOn: ['prepare'],
    status: 'running',
    stages: [
      { name: 'small', status: 'failed' },
      { name: 'inner', status: 'running', stages: [{ name: 'a', status: 'running' }, { name: 'b' }] },
    ],
  },
  { name: 'select', dependsOn: ['sweep', 'prepare'] },
]);

test('runs are listed depth first in the order of the definition', () => {
  const model = buildRunModel(tree);
  expect(model.order.map((id) => model.runs.get(id)!.path)).toEqual([
    '',
    'prepare',
    'sweep',
    'sweep/small',
    'sweep/inner',
    'sweep/inner/a',
    'sweep/inner/b',
    'select',
  ]);
});

test('a group counts the leaves below it, at any depth', () => {
  const model = buildRunModel(tree);
  const counts = rollUp(model);
  expect(counts.get(tree.id)).toEqual({ completed: 1, failed: 1, running: 1, pending: 2 });
  expect(counts.get(findByPath(model, 'sweep')!.id)).toEqual({ failed: 1, running: 1, pending: 1 });
  expect(counts.get(findByPath(model, 'sweep/inner')!.id)).toEqual({ running: 1, pending: 1 });
  expect(counts.has(findByPath(model, 'prepare')!.id)).toBe(false);
});

test('progress counts every terminal status as ended', () => {
  const counts = Object.fromEntries(RUN_STATUSES.map((status) => [status, 1]));
  expect(progress(counts)).toEqual({ ended: 6, total: 13 });
});

test('a live change replaces one run and leaves the others as they are', () => {
  const model = buildRunModel(tree);
  const small = findByPath(model, 'sweep/small')!;
  const { model: next, unknown } = applyRuns(model, [{ ...small, status: 'completed' }]);
  expect(unknown).toBe(false);
  expect(next.runs.get(small.id)!.status).toBe('completed');
  expect(model.runs.get(small.id)!.status).toBe('failed');
  expect(next.runs.get(tree.id)).toBe(model.runs.get(tree.id));
  expect(next.order).toBe(model.order);
});

test('a line of the list changes the run and leaves its outputs', () => {
  const model = buildRunModel({ ...tree, outputs: { accuracy: 0.97 } });
  const { outputs: _, ...root } = model.runs.get(tree.id)!;
  const { model: next } = applyRuns(model, [{ ...root, status: 'completed', stages: { completed: 5 } }]);
  expect(next.runs.get(tree.id)).toEqual({ ...root, status: 'completed', outputs: { accuracy: 0.97 } });
});

test('a run that the model does not know is announced, not added', () => {
  const model = buildRunModel(tree);
  const result = applyRuns(model, [sampleRun('stranger')]);
  expect(result.unknown).toBe(true);
  expect(result.model.runs.size).toBe(model.runs.size);
});

test('the leaves of a group are its jobs; a job is its own leaf', () => {
  const model = buildRunModel(tree);
  const paths = (path: string) => leavesUnder(model, findByPath(model, path)!.id).map((run) => run.path);
  expect(paths('sweep')).toEqual(['sweep/small', 'sweep/inner/a', 'sweep/inner/b']);
  expect(paths('select')).toEqual(['select']);
});

test('dependencies and ancestors are found', () => {
  const model = buildRunModel(tree);
  expect(dependenciesOf(model, findByPath(model, 'select')!).map((run) => run.name)).toEqual([
    'prepare',
    'sweep',
  ]);
  expect(ancestry(model, findByPath(model, 'sweep/inner/a')!).map((run) => run.name)).toEqual([
    'digits',
    'sweep',
    'inner',
    'a',
  ]);
});

test('a tree of 10,000 stages is built and rolled up in less than 100 ms', () => {
  const stages = Array.from({ length: 100 }, (_, group) => ({
    name: `g${group}`,
    stages: Array.from({ length: 100 }, (_, i) => ({ name: `s${i}`, status: 'running' as const })),
  }));
  const large = sampleTree('large', stages);
  const times = [1, 2, 3].map(() => {
    const startMs = performance.now();
    expect(rollUp(buildRunModel(large)).get(large.id)).toEqual({ running: 10_000 });
    return performance.now() - startMs;
  });
  expect(Math.min(...times)).toBeLessThan(100);
});
