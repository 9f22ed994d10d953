import { describe, expect, it } from 'vitest';
import { toMetricNumber } from './metric-value.ts';

const read = (value: unknown, total?: 'mean' | 'sum') =>
  toMetricNumber('m', value, total === undefined ? {} : { total });

describe('a value of a metric', () => {
  it.each([
    ['a number', 0.5, { total: 0.5 }],
    ['NaN', Number.NaN, { total: Number.NaN }],
    ['an infinity', Number.NEGATIVE_INFINITY, { total: Number.NEGATIVE_INFINITY }],
    ['a bigint', 3n, { total: 3 }],
    ['a boolean', true, { total: 1 }],
    ['a list', [1, 2, 3], { total: 2, labels: { 0: 1, 1: 2, 2: 3 } }],
    ['a typed array', Float32Array.of(1, 3), { total: 2, labels: { 0: 1, 1: 3 } }],
    ['values by label', { cat: 1, dog: 0 }, { total: 0.5, labels: { cat: 1, dog: 0 } }],
    ['a tensor with one value', { item: () => 7 }, { total: 7 }],
    ['a tensor as a list of one', { tolist: () => [7] }, { total: 7 }],
    ['a tensor with values', { dataSync: () => Float32Array.of(2, 4) }, { total: 3, labels: { 0: 2, 1: 4 } }],
    ['a list of tensors', [{ item: () => 1 }, { item: () => 2 }], { total: 1.5, labels: { 0: 1, 1: 2 } }],
  ])('may be %s', (_, value, expected) => {
    expect(read(value)).toEqual(expected);
  });

  it('of a confusion matrix has its sum as total, and its cells by row and column', () => {
    expect(
      read(
        [
          [5, 1],
          [0, 4],
        ],
        'sum',
      ),
    ).toEqual({ total: 10, labels: { '0/0': 5, '0/1': 1, '1/0': 0, '1/1': 4 } });
  });

  it.each([
    ['a text', 'high', 'is "high", not a number'],
    ['nothing', undefined, 'is undefined, not a number'],
    ['an empty list', [], 'is an empty list, not a number'],
    ['a text in a list', [1, 'x'], 'is "x" at 1, not a number'],
    ['a function', () => 1, 'is a function, not a number'],
  ])('is not %s', (_, value, message) => {
    expect(() => read(value)).toThrow(`The metric "m" ${message}`);
  });
});
