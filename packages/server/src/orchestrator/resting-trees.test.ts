import { expect, it } from 'vitest';
import { RestingTrees } from './resting-trees.ts';

it('leaves a tree alone for longer each time, at most a minute, until it works again', () => {
  const resting = new RestingTrees();
  expect([1, 2, 3, 4, 5, 6, 7, 8].map((n) => resting.rest('a', n))).toEqual([
    1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000,
  ]);
  expect([resting.isResting('a', 60_007), resting.isResting('a', 60_008)]).toEqual([true, false]);
  expect(resting.isResting('b', 0)).toBe(false);
  resting.forget('a');
  expect([resting.isResting('a', 9), resting.rest('a', 9)]).toEqual([false, 1000]);
});
