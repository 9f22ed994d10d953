import type { ChartBucket } from '@trainyard/protocol';
import { expect, test } from 'vitest';
import { alignCurves, curveOf, mergePoints, summarise } from './series.ts';

test('buckets become points at their last step', () => {
  const curve = curveOf({ runId: 'r', key: 'loss', buckets: [bucket(0, 3, 2, 1, 4), bucket(4, 4, 0.5)] });
  expect(curve.points.map(({ step, value, count }) => [step, value, count])).toEqual([
    [3, 2, 4],
    [4, 0.5, 1],
  ]);
});

test('a live point behind the end makes a new point', () => {
  const curve = curveOf({ runId: 'r', key: 'loss', buckets: [bucket(0, 0, 1)] });
  const merged = mergePoints(curve, [{ step: 1, value: 0.8, time: 2000 }]);
  expect(merged.points.map((point) => [point.step, point.value])).toEqual([
    [0, 1],
    [1, 0.8],
  ]);
  expect(curve.points).toHaveLength(1);
});

test('a live point that the answer over HTTP contained already is not counted twice', () => {
  const base = curveOf({ runId: 'r', key: 'loss', buckets: [{ ...bucket(0, 9, 1, 1, 10), lastTime: 5000 }] });
  const merged = mergePoints(base, [
    { step: 8, value: 99, time: 4000 },
    { step: 9, value: 99, time: 5000 },
  ]);
  expect(merged.points).toEqual(base.points);
});

test('a later value of a known step widens its bucket and replaces its last value', () => {
  const base = curveOf({ runId: 'r', key: 'loss', buckets: [bucket(0, 9, 1, 1, 10), bucket(10, 10, 2)] });
  const merged = mergePoints(base, [
    { step: 10, value: 3, time: 9000 },
    { step: 4, value: -1, time: 9001 },
  ]);
  expect(merged.points).toMatchObject([
    { step: 9, value: 1, min: -1, max: 1, count: 11 },
    { step: 10, value: 3, min: 2, max: 3, count: 2 },
  ]);
});

test('a step between two buckets is put in its place', () => {
  const base = curveOf({ runId: 'r', key: 'loss', buckets: [bucket(0, 0, 1), bucket(10, 10, 2)] });
  const merged = mergePoints(base, [{ step: 5, value: 7, time: 9000 }]);
  expect(merged.points.map((point) => point.step)).toEqual([0, 5, 10]);
});

test('NaN and infinite values are gaps; steps of other curves are passed over', () => {
  const a = curveOf({
    runId: 'a',
    key: 'k',
    buckets: [bucket(0, 0, 1), { ...bucket(1, 1, 0), last: 'NaN' }],
  });
  const b = curveOf({
    runId: 'b',
    key: 'k',
    buckets: [{ ...bucket(1, 1, 0), last: 'Infinity' }, bucket(2, 2, 5)],
  });
  const { data, bands } = alignCurves([a, b]);
  expect(data).toEqual([
    [0, 1, 2],
    [1, null, undefined],
    [undefined, null, 5],
  ]);
  expect(bands).toBe(false);
});

test('a band is added when buckets hold several different values', () => {
  const curve = curveOf({ runId: 'a', key: 'k', buckets: [{ ...bucket(0, 3, 2, 1, 4), max: 3 }] });
  const { data, bands } = alignCurves([curve]);
  expect(bands).toBe(true);
  expect(data).toEqual([[3], [2], [3], [1]]);
});

test('a summary has the last value and the finite extremes', () => {
  const curve = mergePoints(curveOf({ runId: 'a', key: 'k', buckets: [bucket(0, 0, 4), bucket(1, 1, -2)] }), [
    { step: 2, value: 'NaN', time: 9000 },
  ]);
  const { last, min, max } = summarise(curve);
  expect([last?.value, min, max]).toEqual([Number.NaN, -2, 4]);
});

function bucket(firstStep: number, lastStep: number, last: number, min = last, count = 1): ChartBucket {
  return {
    ...{ firstStep, lastStep, count, min, max: last, mean: last, first: last, last },
    ...{ nans: 0, positiveInfinities: 0, negativeInfinities: 0 },
    ...{ firstTime: 1000, lastTime: 1000, firstX: firstStep, lastX: lastStep },
  };
}
