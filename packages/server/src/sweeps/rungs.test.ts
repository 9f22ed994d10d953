import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutOff, nextRung } from './rungs.ts';

it('compares at the first step, and then at factor times that', () => {
  const rule = { minSteps: 2, factor: 3, maxSteps: 60 };
  expect([-1, 1, 2, 5, 6, 17, 18, 53, 54].map((step) => nextRung(rule, step))).toEqual([
    ...[2, 2, 6, 6, 18, 18, 54, 54],
    undefined,
  ]);
});

it('lets the first ones go on, and then one of so many', () => {
  const rule = { factor: 3, goal: 'min' } as const;
  expect(cutOff([5], 5, rule)).toBeUndefined();
  expect(cutOff([5, 9], 9, rule)).toBeUndefined();
  expect(cutOff([5, 9, 7], 7, rule)).toBe(5);
  expect(cutOff([5, 9, 7, 3], 3, rule)).toBeUndefined();
  expect(cutOff([5, 9, 7, 3, 8, 4], 4, rule)).toBeUndefined();
});

it('judges by the goal, and takes what is no number for the worst', () => {
  expect(cutOff([0.9, 0.5], 0.5, { factor: 2, goal: 'max' })).toBe(0.9);
  expect(cutOff([0.9, Number.NaN], Number.NaN, { factor: 2, goal: 'max' })).toBe(0.9);
  expect(cutOff([Number.NaN, Number.NaN], Number.NaN, { factor: 2, goal: 'min' })).toBeUndefined();
});

it('ends no trial that is among the best, whatever the order, and the best never', () => {
  const values = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), {
    minLength: 1,
    maxLength: 50,
  });
  const rule = fc.record({ factor: fc.integer({ min: 2, max: 6 }), goal: fc.constantFrom('min', 'max') });
  fc.assert(
    fc.property(values, rule, (all, { factor, goal }) => {
      const sorted = [...all].sort((a, b) => (goal === 'min' ? a - b : b - a));
      const kept = all.filter((own) => cutOff(all, own, { factor, goal }) === undefined);
      expect(kept).toContain(sorted[0]);
      expect(kept.length).toBeGreaterThanOrEqual(Math.max(1, Math.floor(all.length / factor)));
      if (all.length >= factor && new Set(all).size === all.length)
        expect(kept).toHaveLength(Math.floor(all.length / factor));
    }),
  );
});
