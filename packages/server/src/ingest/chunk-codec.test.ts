import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CODEC, decodePoints, encodePoints } from './chunk-codec.ts';
import { type Points, sortPoints } from './points.ts';

const step = fc.oneof(fc.nat(1000), fc.maxSafeNat());
const time = fc.oneof(
  fc.integer({ min: 0, max: 4_000_000_000 }).map((ms) => 1.7e12 + ms / 7),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const float32 = fc.float();
const decimal = fc.integer({ min: -1_000_000, max: 1_000_000 }).map((value) => value / 10_000);
const special = fc.constantFrom(
  0,
  -0,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.MIN_VALUE,
  Number.MAX_VALUE,
);
const columns = (value: fc.Arbitrary<number>) =>
  fc.array(fc.tuple(step, time, value), { minLength: 1, maxLength: 300 }).map(fromRows);

it.each([
  ['any numbers', fc.oneof(fc.double(), special)],
  ['32-bit floats', fc.oneof(float32, special)],
  ['few decimals', decimal],
  ['few decimals and special values', fc.oneof(decimal, special)],
  ['one value', fc.constant(-0)],
] as const)('gives back every point: %s', (_title, value) => {
  fc.assert(
    fc.property(columns(value), (points) => {
      expectSame(decodePoints(encodePoints(points), points.steps.length), points);
    }),
    { numRuns: 300 },
  );
});

it('keeps consecutive steps, regular times and rounded values in a few bytes', () => {
  const points = fromRows(
    Array.from({ length: 4096 }, (_, i) => [i, 1.7e12 + i * 20, Math.round(Math.sin(i / 50) * 1e4) / 1e4]),
  );
  const encoded = encodePoints(points);
  expect(encoded.codec).toBe(CODEC.deflate);
  expect(encoded.data.length / 4096).toBeLessThan(2);
});

it('stores a single point without deflate', () => {
  const encoded = encodePoints(fromRows([[3, 1.7e12, 0.1]]));
  expect(encoded.codec).toBe(CODEC.plain);
  expect(encoded.data.length).toBeLessThan(48);
});

it('refuses an unknown codec and a body that is too short', () => {
  const { data } = encodePoints(fromRows([[1, 2, 3]]));
  expect(() => decodePoints({ codec: 9, data }, 1)).toThrow('unknown chunk codec 9');
  expect(() => decodePoints({ codec: CODEC.plain, data: Buffer.from([0b10_1010, 1, 2]) }, 5)).toThrow(
    'shorter than its number of points',
  );
});

function fromRows(rows: readonly (readonly number[])[]): Points {
  return sortPoints({
    steps: Float64Array.from(rows, (row) => row[0]!),
    times: Float64Array.from(rows, (row) => row[1]!),
    values: Float64Array.from(rows, (row) => row[2]!),
  });
}

/** Steps and times as numbers, values bit for bit. */
function expectSame(actual: Points, expected: Points): void {
  const same =
    actual.steps.length === expected.steps.length &&
    actual.steps.every((value, i) => value === expected.steps[i]) &&
    actual.times.every((value, i) => value === expected.times[i]) &&
    actual.values.every((value, i) => Object.is(value, expected.values[i]));
  if (!same) expect(actual).toEqual(expected);
  expect(same).toBe(true);
}
