import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MetricCatalogue } from './catalogue.ts';
import { MetricScope } from './metric-scope.ts';

const CUSTOM = { tokens: { over: 'sum' }, peak: { over: 'max' }, least: { over: 'min' } } as const;

function opened(): MetricScope<keyof typeof CUSTOM> {
  const scope = new MetricScope<keyof typeof CUSTOM>(new MetricCatalogue(CUSTOM), 'epoch');
  scope.open();
  return scope;
}

describe('values that are added over an epoch', () => {
  it('become their mean by weight, their sum, the smallest or the largest', () => {
    const scope = opened();
    for (const [value, weight] of [
      [1, 30],
      [4, 10],
    ] as const) {
      for (const name of ['train_loss', 'tokens', 'peak', 'least'] as const)
        scope.add(name, value, { weight });
    }
    expect(Object.fromEntries([...scope.entries()].map(([name, { total }]) => [name, total]))).toEqual({
      train_loss: 1.75,
      tokens: 5,
      peak: 4,
      least: 1,
    });
  });

  it('are joined part by part, also parts that come later', () => {
    const scope = opened();
    scope.add('val_acc', { cat: 1 });
    scope.add('val_acc', { cat: 0, dog: 1 });
    expect([...scope.entries()]).toEqual([['val_acc', { total: 0.75, labels: { cat: 0.5, dog: 1 } }]]);
    scope.add('confusion', [[1, 0]]);
    scope.add('confusion', [[2, 5]]);
    expect(scope.get('confusion')).toBe(8);
  });

  it('are the mean of all, whatever they are and wherever they are saved and gone on with', () => {
    const pairs = fc.array(
      fc.tuple(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), fc.integer({ min: 1, max: 64 })),
      {
        minLength: 1,
        maxLength: 50,
      },
    );
    fc.assert(
      fc.property(pairs, fc.nat(), (values, cut) => {
        let scope = opened();
        const whole = opened();
        for (const [index, [value, weight]] of values.entries()) {
          if (index === cut % values.length) {
            const state = JSON.parse(JSON.stringify(scope.state()));
            scope = opened();
            scope.restore(state);
          }
          scope.add('val_loss', value, { weight });
          whole.add('val_loss', value, { weight });
        }
        const weights = values.reduce((sum, [, weight]) => sum + weight, 0);
        const mean = values.reduce((sum, [value, weight]) => sum + value * weight, 0) / weights;
        expect(scope.get('val_loss')).toBe(whole.get('val_loss'));
        expect(Math.abs(whole.get('val_loss')! - mean)).toBeLessThan(1e-6);
      }),
    );
  });

  it('keep NaN, and start anew behind a value that was set', () => {
    const scope = opened();
    scope.add('val_loss', 1);
    scope.add('val_loss', Number.NaN);
    expect(scope.get('val_loss')).toBeNaN();
    scope.set('val_loss', 9);
    scope.add('val_loss', 3);
    expect(scope.get('val_loss')).toBe(3);
    expect(() => scope.add('val_loss', 3, { weight: 0 })).toThrow('The weight of "val_loss" is 0');
    scope.close();
    expect(() => scope.add('val_loss', 3)).toThrow('was set while no epoch is open');
  });
});
