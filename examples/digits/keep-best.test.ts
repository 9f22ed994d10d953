import { describe, expect, it } from 'vitest';
import { type KeepBestOptions, planKeepBest } from './keep-best.ts';

const options: KeepBestOptions = { keep: 2, metric: 'accuracy', direction: 'max', selected: undefined };
const list = (...accuracies: unknown[]) =>
  accuracies.map((accuracy, index) => ({ path: `epoch-${index}`, accuracy }));

describe('planKeepBest', () => {
  it('keeps the best in the order given and deletes the others', () => {
    expect(planKeepBest(list(0.7, 0.9, 0.8, 0.6), options)).toEqual({
      kept: ['epoch-1', 'epoch-2'],
      deleted: ['epoch-0', 'epoch-3'],
      unmeasured: [],
    });
  });

  it('keeps the lowest when lower is better', () => {
    const plan = planKeepBest(list(0.7, 0.9, 0.8), { ...options, direction: 'min', keep: 1 });
    expect(plan.kept).toEqual(['epoch-0']);
  });

  it('prefers the later of equals and never keeps more than asked', () => {
    expect(planKeepBest(list(0.9, 0.9, 0.9), options)).toMatchObject({
      kept: ['epoch-1', 'epoch-2'],
      deleted: ['epoch-0'],
    });
  });

  it('keeps the selected one, also as the worst and with keep 0', () => {
    const plan = planKeepBest(list(0.1, 0.9, 0.8), { ...options, selected: 'epoch-0' });
    expect(plan.deleted).toEqual([]);
    expect(planKeepBest(list(0.1, 0.9), { ...options, keep: 0, selected: 'epoch-0' })).toMatchObject({
      kept: ['epoch-0'],
      deleted: ['epoch-1'],
    });
  });

  it('neither ranks nor deletes what has no finite metric', () => {
    const plan = planKeepBest(list(Number.NaN, 0.5, null, 0.6, undefined, 'high', Infinity), {
      ...options,
      keep: 1,
    });
    expect(plan).toEqual({
      kept: ['epoch-3'],
      deleted: ['epoch-1'],
      unmeasured: ['epoch-0', 'epoch-2', 'epoch-4', 'epoch-5', 'epoch-6'],
    });
  });

  it('counts a path that is listed twice once', () => {
    const twice = [...list(0.9, 0.8, 0.7), { path: 'epoch-0', accuracy: 0.1 }];
    expect(planKeepBest(twice, options)).toMatchObject({
      kept: ['epoch-0', 'epoch-1'],
      deleted: ['epoch-2'],
    });
  });

  it('has nothing to do for an empty list or a generous limit', () => {
    expect(planKeepBest([], options)).toEqual({ kept: [], deleted: [], unmeasured: [] });
    expect(planKeepBest(list(0.1), options).deleted).toEqual([]);
  });
});
