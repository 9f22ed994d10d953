import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutPoints, MAX_CHUNK_POINTS, mergePoints, type Points, sortPoints, summarise } from './points.ts';

it('sorts by step, then time, then arrival', () => {
  const points = sortPoints(
    fromRows([
      [2, 5, 1],
      [1, 9, 2],
      [2, 4, 3],
      [2, 5, 4],
    ]),
  );
  expect(points.values).toEqual(Float64Array.of(2, 3, 1, 4));
});

it('puts equal points of an earlier group first', () => {
  const merged = mergePoints([
    fromRows([
      [1, 1, 1],
      [3, 1, 2],
    ]),
    fromRows([
      [1, 1, 3],
      [2, 1, 4],
    ]),
  ]);
  expect(merged.values).toEqual(Float64Array.of(1, 3, 4, 2));
});

it('cuts consecutive steps where coarser buckets begin', () => {
  const cut = cutPoints(line(1000, 20_000));
  expect(cut.map((part) => part.steps[0])).toEqual([1000, 4096, 8192, 12_288, 16_384, 20_480]);
});

it('cuts any points into groups of bounded size and loses none', () => {
  const steps = fc.array(fc.oneof(fc.nat(50), fc.nat(20_000), fc.maxSafeNat()), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 300 }), (some, repeat) => {
      const rows = some.flatMap((step) => Array.from({ length: repeat }, (_, i) => [step, i, i]));
      const points = sortPoints(fromRows(rows));
      const parts = cutPoints(points);
      expect(Math.max(...parts.map((part) => part.steps.length))).toBeLessThanOrEqual(MAX_CHUNK_POINTS);
      expect(mergePoints(parts)).toEqual(points);
    }),
    { numRuns: 50 },
  );
});

it('summarises finite values only as min and max', () => {
  const { min, max, count } = summarise(
    fromRows([
      [1, 1, Number.NaN],
      [2, 1, 3],
      [3, 1, Number.POSITIVE_INFINITY],
    ]),
  );
  expect({ min, max, count }).toEqual({ min: 3, max: 3, count: 3 });
  expect(summarise(fromRows([[1, 1, Number.NaN]]))).toMatchObject({ min: null, max: null });
});

function line(from: number, count: number): Points {
  return fromRows(Array.from({ length: count }, (_, i) => [from + i, i, i]));
}

function fromRows(rows: readonly (readonly number[])[]): Points {
  return {
    steps: Float64Array.from(rows, (row) => row[0]!),
    times: Float64Array.from(rows, (row) => row[1]!),
    values: Float64Array.from(rows, (row) => row[2]!),
  };
}
