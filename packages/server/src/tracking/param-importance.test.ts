import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MeasuredRun, paramImportances } from './param-importance.ts';

/** Numbers that look random and are the same each time. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

function runsOf(
  count: number,
  make: (next: () => number) => { value: number; params: Record<string, string> },
): MeasuredRun[] {
  const next = noise(42);
  return Array.from({ length: count }, () => {
    const { value, params } = make(next);
    return { value, params: new Map(Object.entries(params)) };
  });
}

describe('the importance of params', () => {
  it('puts what the metric depends on before what it does not', () => {
    const runs = runsOf(60, (next) => {
      const [lr, seed] = [next(), Math.floor(next() * 1e6)];
      const optimizer = next() < 0.5 ? 'sgd' : 'adam';
      const value = 3 * lr + (optimizer === 'adam' ? 1 : 0) + 0.1 * next();
      return {
        value,
        params: { lr: String(lr), seed: String(seed), optimizer, fixed: '1', name: `${next()}x` },
      };
    });
    const scores = paramImportances(runs);
    expect(scores.map(({ key }) => key)).toEqual(['lr', 'optimizer', 'seed']);
    expect(scores[0]).toMatchObject({ kind: 'number', runs: 60, distinctValues: 60 });
    expect(scores[0]!.explained).toBeGreaterThan(0.6);
    expect(scores[0]!.rankCorrelation).toBeGreaterThan(0.7);
    expect(scores[1]).toMatchObject({ kind: 'text', distinctValues: 2, rankCorrelation: null });
    expect(scores[2]!.explained).toBeLessThan(0.15);
  });

  it('sees a best value in the middle, which ranks do not', () => {
    const runs = runsOf(80, (next) => {
      const x = next() * 2 - 1;
      return { value: x * x, params: { x: String(x) } };
    });
    const [score] = paramImportances(runs);
    expect(score!.explained).toBeGreaterThan(0.8);
    expect(Math.abs(score!.rankCorrelation!)).toBeLessThan(0.3);
  });

  it('says nothing of few runs, of params that never differ, and of values that are not finite', () => {
    const few = runsOf(3, (next) => ({ value: next(), params: { a: String(next()) } }));
    expect(paramImportances(few)).toEqual([]);
    const same = runsOf(20, (next) => ({ value: next(), params: { a: '1' } }));
    expect(paramImportances(same)).toEqual([]);
    const lost = runsOf(20, (next) => ({ value: Number.NaN, params: { a: String(next()) } }));
    expect(paramImportances(lost)).toEqual([]);
  });

  it('is from 0 to 1, whatever the values, and the same in whatever unit the metric is', () => {
    const run = fc.record({
      value: fc.double({ noNaN: true, noDefaultInfinity: true }),
      params: fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom('1', '2', '1e3', 'x', '')),
    });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 30 }), (given) => {
        const runs = given.map(({ value, params }) => ({ value, params: new Map(Object.entries(params)) }));
        for (const { explained, rankCorrelation } of paramImportances(runs)) {
          expect(explained).toBeGreaterThanOrEqual(0);
          expect(explained).toBeLessThanOrEqual(1);
          expect(Math.abs(rankCorrelation ?? 0)).toBeLessThanOrEqual(1);
        }
      }),
    );
    const runs = runsOf(40, (next) => ({ value: next(), params: { a: next() < 0.5 ? 'x' : 'y' } }));
    const scaled = runs.map((run) => ({ ...run, value: run.value * 1024 }));
    expect(paramImportances(scaled)).toEqual(paramImportances(runs));
  });
});
