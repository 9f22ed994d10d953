import { expect, test } from 'vitest';
import { readRunSearch, readRunsSearch } from './search.ts';

test('the address of the list is read; older status words are understood, nonsense is left out', () => {
  expect(readRunsSearch({ status: 'failed', name: 'digits' })).toEqual({ status: 'failed', name: 'digits' });
  expect(readRunsSearch({ status: 'canceled', name: 12 })).toEqual({ status: 'cancelled', name: '12' });
  expect(readRunsSearch({ status: 'nonsense', name: '' })).toEqual({});
});

test('the address of a run page is read; defaults are left out', () => {
  expect(readRunSearch({ stage: 'sweep/large', tab: 'log', view: 'table', attempt: '2' })).toEqual({
    stage: 'sweep/large',
    tab: 'log',
    view: 'table',
    attempt: 2,
  });
  expect(readRunSearch({ tab: 'overview', view: 'list', attempt: -1, other: 1 })).toEqual({});
});
