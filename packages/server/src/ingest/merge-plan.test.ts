import { expect, it } from 'vitest';
import { type ChunkHeader, planMerges } from './merge-plan.ts';

it('merges tiny chunks at every occasion and larger ones when there are many', () => {
  expect(planMerges(chunks([1, 5, 200, 31, 32]), false)).toEqual([[0, 1, 3]]);
  const many = Array.from({ length: 16 }, () => 100);
  expect(planMerges(chunks([...many, 1]), false)).toEqual([[...many.keys(), 16]]);
});

it('merges all of them at the end of an attempt', () => {
  expect(planMerges(chunks([1, 200, 900]), true)).toEqual([[0, 1, 2]]);
  expect(planMerges(chunks([1]), true)).toEqual([]);
});

it('keeps attempts apart, and chunks with a larger one between them', () => {
  const headers = [
    { id: 1, attempt: 1, count: 1, largerBefore: 0 },
    { id: 2, attempt: 2, count: 1, largerBefore: 0 },
    { id: 3, attempt: 1, count: 1, largerBefore: 1 },
    { id: 4, attempt: 1, count: 1, largerBefore: 0 },
  ];
  expect(planMerges(headers, true)).toEqual([[1, 4]]);
});

function chunks(counts: readonly number[]): ChunkHeader[] {
  return counts.map((count, id) => ({ id, attempt: 1, count, largerBefore: 0 }));
}
