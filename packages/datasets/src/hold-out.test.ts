import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeHoldOut, effectiveHoldOut, holdOutRows } from './hold-out.ts';
import { allOf } from './testing/all-of.ts';

describe('the hold-out in effect', () => {
  it('is nothing with evaluation data of its own, a fifth without, and what is asked for in any case', () => {
    expect(effectiveHoldOut({ hasEvaluationData: true })).toMatchObject({
      fraction: 0,
      chosenBy: 'own evaluation data',
    });
    expect(effectiveHoldOut({ hasEvaluationData: false })).toEqual({
      fraction: 0.2,
      seed: 42,
      chosenBy: 'default',
    });
    expect(effectiveHoldOut({ hasEvaluationData: true, request: { fraction: 0.1 } })).toMatchObject({
      fraction: 0.1,
      chosenBy: 'request',
    });
    expect(effectiveHoldOut({ hasEvaluationData: false, request: 'none' }).fraction).toBe(0);
    expect(() => effectiveHoldOut({ hasEvaluationData: false, request: { fraction: 1 } })).toThrow(
      'from 0 to below 1',
    );
  });

  it('is never silent: each has a sentence that says how much and why', () => {
    expect(describeHoldOut(effectiveHoldOut({ hasEvaluationData: false }))).toBe(
      '20 % of the rows are held out for evaluation with seed 42, by default, since there is no evaluation data',
    );
    expect(describeHoldOut(effectiveHoldOut({ hasEvaluationData: true }))).toMatch('nothing is held out');
    expect(describeHoldOut(effectiveHoldOut({ hasEvaluationData: false, request: 'none' }))).toMatch(
      'as asked for',
    );
  });

  it('gives every row to one side, in order, the same for the same seed, in parts of the right size', async () => {
    async function* batches(count: number) {
      for (let from = 0; from < count; from += 1000) {
        yield Array.from({ length: Math.min(1000, count - from) }, (_, index) => ({ n: from + index }));
      }
    }
    const side = async (name: 'train' | 'evaluation', seed: number, fraction: number): Promise<number[]> => {
      const rows = holdOutRows(batches(20_000), name, { fraction, seed, chosenBy: 'request' });
      return (await allOf(rows)).flat().map(({ n }) => n as number);
    };
    await fc.assert(
      fc.asyncProperty(
        fc.nat(2 ** 31),
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        async (seed, fraction) => {
          const [train, evaluation] = [
            await side('train', seed, fraction),
            await side('evaluation', seed, fraction),
          ];
          expect([...train, ...evaluation].sort((a, b) => a - b)).toEqual(
            Array.from({ length: 20_000 }, (_, n) => n),
          );
          expect(train).toEqual(train.toSorted((a, b) => a - b));
          expect(Math.abs(evaluation.length / 20_000 - fraction)).toBeLessThan(0.02);
          expect(await side('evaluation', seed, fraction)).toEqual(evaluation);
        },
      ),
      { numRuns: 10 },
    );
  });
});
