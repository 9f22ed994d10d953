import { describe, expect, it } from 'vitest';
import { analyseFailure } from './failure-analysis.ts';
import { jobProgress } from './job-progress.ts';
import { bestLoss, epochAt, epochsWithoutImprovement, lossTrend, perplexityOf } from './loss-history.ts';

const series = (...values: number[]) => ({
  steps: Float64Array.from(values, (_, index) => index * 10),
  times: Float64Array.from(values, () => 0),
  values: Float64Array.from(values),
});

describe('the history of a loss', () => {
  it('has a best value, the first of equal ones, which is never one that is no number', () => {
    expect(bestLoss(series(2, Number.NaN, 1, Number.NEGATIVE_INFINITY, 1))).toEqual({ loss: 1, step: 20 });
    expect(bestLoss(series(Number.NaN))).toBeUndefined();
  });

  it('has a trend by the halves of its last ten values, which must differ by more than 5 %', () => {
    expect(lossTrend(series(9, 9, 1, 1, 1, 1, 1, 1.04, 1.04, 1.04, 1.04, 1.04))).toBe('stable');
    expect(lossTrend(series(...Array(5).fill(1), ...Array(5).fill(1.06)))).toBe('degrading');
    expect(lossTrend(series(...Array(5).fill(1), ...Array(5).fill(0.94)))).toBe('improving');
    expect(lossTrend(series(...Array(5).fill(-1), ...Array(5).fill(-1.1)))).toBe('improving');
    expect(lossTrend(series(1, Number.NaN, 2, 3))).toBeUndefined();
  });

  it('counts whole epochs since the best', () => {
    const epochs = series(0, 0.5, 1, 1.5, 2.2);
    expect(epochAt(epochs, 25)).toBe(1);
    expect(epochsWithoutImprovement(series(3, 1, 2, 2, 2), epochs)).toBe(2);
    expect(epochsWithoutImprovement(series(3, 1, 2, 2, 0.5), epochs)).toBe(0);
    expect(epochsWithoutImprovement(series(), epochs)).toBeUndefined();
  });

  it('has no perplexity that is no finite number', () => {
    expect(perplexityOf(0)).toBe(1);
    for (const loss of [1000, Number.NaN, Number.POSITIVE_INFINITY, undefined])
      expect(perplexityOf(loss)).toBeUndefined();
  });
});

it('measures progress by steps, else by epochs, and never beyond 100 %', () => {
  const latest = new Map([
    ['train_loss', { step: 50, value: 1 }],
    ['epoch', { step: 50, value: 1.5 }],
  ]);
  const of = (config: object, hasCompleted = false, statusFile = {}) =>
    jobProgress({ hasCompleted, latest, statusFile, config: { ...config } }).percent;
  expect(of({ max_steps: 200, epochs: 3 })).toBe(25);
  expect(of({ training: { num_epochs: 3 } })).toBe(50);
  expect(of({ epochs: 1 })).toBe(100);
  expect(of({})).toBeUndefined();
  expect(of({}, true)).toBe(100);
  expect(of({}, false, { current_step: 1, total_steps: 4 })).toBe(25);
});

describe('the analysis of a failure', () => {
  it.each([
    ['RuntimeError: CUDA out of memory. Tried to allocate', 'gpu_out_of_memory'],
    ['MemoryError', 'out_of_memory'],
    ['loss is NaN at step 3', 'diverged'],
    ['RuntimeError: CUDA error: device-side assert triggered', 'gpu_fault'],
    ["ModuleNotFoundError: No module named 'torch'", 'missing_module'],
    ['OSError: [Errno 28] No space left on device', 'disk_full'],
    ['all is well', null],
  ])('takes %j for %s', (line, category) => {
    expect(analyseFailure(['exit code 1', line], {}).category).toBe(category);
  });

  it('changes only what the config has, also in its sections', () => {
    const of = (config: object, line = 'CUDA out of memory') =>
      analyseFailure([line], { ...config }).adjustments;
    expect(of({})).toEqual({});
    expect(of({ batch_size: 1 })).toEqual({});
    expect(of({ training: { batch_size: 8, gradient_accumulation_steps: 2 } })).toEqual({
      training: { batch_size: 4, gradient_accumulation_steps: 4 },
    });
    expect(of({ learning_rate: 0.2 }, 'loss became nan')).toEqual({ learning_rate: 0.1 });
  });
});
