import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NoiseWindow } from './noise-window.ts';

/** As it is defined: median deviation of the differences of neighbours. */
function plainly(values: readonly number[]): number {
  const median = (numbers: readonly number[]) =>
    numbers.toSorted((a, b) => a - b)[Math.ceil(numbers.length / 2) - 1]!;
  const steps = values.slice(1).map((value, at) => value - values[at]!);
  const middle = median(steps);
  return (1.4826 * median(steps.map((step) => Math.abs(step - middle)))) / Math.SQRT2;
}

it('tells the deviation of its last values, whenever it is asked', () => {
  const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ min: -1e6, max: 1e6, noNaN: true }));
  const point = fc.record({ value, isAsked: fc.boolean() });
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 12 }), fc.array(point, { maxLength: 100 }), (size, points) => {
      const window = new NoiseWindow(size);
      const seen: number[] = [];
      for (const { value, isAsked } of points) {
        window.add(value);
        seen.push(value);
        if (isAsked && seen.length > 1) expect(window.deviation()).toBe(plainly(seen.slice(-size)));
      }
    }),
  );
});
