import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MetricCatalogue } from '../metrics/catalogue.ts';
import { MetricScope } from '../metrics/metric-scope.ts';
import { Program } from '../testing/program.ts';
import { EarlyStopping, type EarlyStoppingOptions } from './early-stopping.ts';

/** Feeds values, one per epoch (null: the metric is missing), until it stops. */
function watch(values: readonly (number | null)[], options: EarlyStoppingOptions = {}) {
  const stopping = new EarlyStopping({ patience: 2, ...options });
  const warnings: string[] = [];
  let stopped: { epoch: number; reason: string } | undefined;
  const metrics = new MetricScope(new MetricCatalogue(), 'epoch');
  for (const [epoch, value] of values.entries()) {
    metrics.open();
    if (value !== null) metrics.set('val_loss', value);
    stopping.onEpochEnd({
      params: {},
      metrics,
      level: { kind: 'epoch', index: epoch, step: epoch, parent: null, startedAtMs: 0 },
      end: { status: 'completed', endedAtMs: 0 },
      record: () => {},
      stopEpoch: () => {},
      callbackStates: () => Promise.resolve({}),
      warn: (message) => warnings.push(message),
      stop: (reason) => {
        stopped ??= { epoch, reason };
      },
    });
    if (stopped !== undefined) break;
  }
  return { stopping, stopped, warnings };
}

describe('early stopping', () => {
  it('stops when the count of epochs without an improvement reaches the patience', () => {
    const { stopping, stopped } = watch([1, 0.9, 0.95, 0.92, 0.1]);
    expect(stopped).toEqual({
      epoch: 3,
      reason: 'val_loss has not improved for 2 epochs; the best was 0.9 in epoch 1',
    });
    expect([stopping.best, stopping.bestEpoch, stopping.reason]).toEqual([0.9, 1, 'patience']);
  });

  it('takes larger values for better where that is the mode', () => {
    expect(watch([0.1, 0.2, 0.3, 0.25, 0.3], { mode: 'max' }).stopped?.epoch).toBe(4);
  });

  it('wants an improvement of more than a share of the best value, exactly', () => {
    expect(watch([100, 99, 99], { minDeltaPercent: 1 }).stopped?.epoch).toBe(2);
    expect(watch([100, 98.9, 98.9], { minDeltaPercent: 1 }).stopped).toBeUndefined();
  });

  it('goes on from a best value of 0, by which nothing can be divided', () => {
    expect(watch([0, 0.1, -0.1, 0], { minDeltaPercent: 5 }).stopped).toBeUndefined();
  });

  it('stops at once when the metric is not finite, or counts it as no improvement', () => {
    expect(watch([1, Number.NaN]).stopped).toEqual({ epoch: 1, reason: 'val_loss is NaN' });
    expect(watch([Number.NaN, Number.NaN], { checkFinite: false }).stopped?.reason).toContain(
      'none was finite',
    );
  });

  it('stops at a threshold, and at one of divergence', () => {
    expect(watch([1, 0.05], { stoppingThreshold: 0.05 }).stopping.reason).toBe('threshold_reached');
    expect(watch([1, 11], { divergenceThreshold: 10 }).stopping.reason).toBe('diverged');
  });

  it('does not stop before so many epochs were judged', () => {
    expect(watch([1, 2, 3, 4, 5], { minEpochs: 5 }).stopped?.epoch).toBe(4);
  });

  it('warns once of a metric that is missing, and goes on', () => {
    const { stopped, warnings } = watch([null, null, 1, null, null, null]);
    expect(stopped).toBeUndefined();
    expect(warnings).toEqual(['Early stopping finds no metric "val_loss" in epoch 0.']);
  });

  it.each([
    [{ mode: 'smaller' as 'min' }, 'mode is "min" or "max", not "smaller"'],
    [{ patience: 0 }, 'patience is a number of epochs, at least 1, not 0'],
    [{ minDeltaPercent: Number.NaN }, 'minDeltaPercent is at least 0, not NaN'],
  ])('refuses %j', (options, message) => {
    expect(() => new EarlyStopping(options)).toThrow(message);
  });

  it('never stops before the patience is over, and never goes on beyond it', () => {
    const value = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.array(value, { maxLength: 30 }), fc.integer({ min: 1, max: 5 }), (values, patience) => {
        const { stopped } = watch(values, { patience });
        let best = Number.POSITIVE_INFINITY;
        let waited = 0;
        const expected = values.findIndex((each) => {
          waited = each < best ? 0 : waited + 1;
          best = Math.min(best, each);
          return waited >= patience;
        });
        expect(stopped?.epoch ?? -1).toBe(expected);
      }),
    );
  });
});

it('early stopping begins anew when it is used in another run', async () => {
  const stopping = new EarlyStopping({ patience: 2 });
  const lastEpoch = async () => {
    let last = -1;
    const program = new Program(
      async (p) => {
        for (let n = 0; n < 10; n += 1) {
          await p.epoch(n, () => p.epochMetrics.set('val_loss', n));
          last = n;
        }
      },
      { callbacks: [stopping] },
    );
    expect(await program.run()).toMatchObject({ status: 'stopped' });
    return last;
  };
  expect([await lastEpoch(), await lastEpoch()]).toEqual([1, 1]);
});

it('two callbacks of the same name are refused when the pipeline is made', () => {
  const callbacks = [new EarlyStopping(), new EarlyStopping()];
  expect(() => new Program(() => undefined, { callbacks })).toThrow(
    'Two callbacks are called "early-stopping val_loss"; give one another name.',
  );
});
