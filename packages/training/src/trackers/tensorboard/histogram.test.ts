import fc from 'fast-check';
import { expect, it } from 'vitest';
import { histogramOf } from './histogram.ts';

it('counts each finite value once, in the bucket that it is in', () => {
  fc.assert(
    fc.property(fc.array(fc.float(), { maxLength: 20 }), (values) => {
      const { count, counts, limits, min, max } = histogramOf(values);
      const finite = values.filter(Number.isFinite);
      expect(count).toBe(finite.length);
      expect(counts.reduce((sum, each) => sum + each, 0)).toBe(finite.length);
      expect(limits.every((limit, index) => index === 0 || limit >= limits[index - 1]!)).toBe(true);
      if (finite.length === 0) return;
      expect(min === Math.min(...finite) && max === Math.max(...finite)).toBe(true);
      expect(limits.at(-1)).toBe(max);
    }),
  );
});

it('has thirty buckets of equal width, or one where all values are the same', () => {
  const thirty = histogramOf(Array.from({ length: 300 }, (_, index) => index / 10));
  expect(thirty.limits).toHaveLength(30);
  expect(thirty).toMatchObject({ min: 0, max: 29.9, count: 300 });
  expect(Math.max(...thirty.counts) - Math.min(...thirty.counts)).toBeLessThanOrEqual(1);
  expect(histogramOf([2, 2, Number.NaN])).toEqual({
    ...{ min: 2, max: 2, count: 2, sum: 4, sumOfSquares: 8 },
    ...{ limits: [2], counts: [2] },
  });
});

it('takes millions of values', () => {
  const { count, sum } = histogramOf(new Float32Array(2_000_000).fill(0.5));
  expect([count, sum]).toEqual([2_000_000, 1_000_000]);
});
