import { expect, test } from 'vitest';
import { Slots } from './slots.ts';

const never = new AbortController().signal;

function newSlots(slots: number, gpuIds: string[] = []) {
  const counts = { freed: 0 };
  const all = new Slots({
    slots,
    gpuIds,
    onFree: () => {
      counts.freed += 1;
    },
  });
  return { all, counts };
}

test('gives slots first come, first served, and counts those who wait', async () => {
  const { all, counts } = newSlots(1);
  const first = await all.reserve(0, never);
  const order: string[] = [];
  const second = all.reserve(0, never).then((reservation) => {
    order.push('second');
    reservation.release();
  });
  const third = all.reserve(0, never).then(() => order.push('third'));
  expect([all.free, all.used]).toEqual([0, 1]);
  first.release();
  first.release();
  await Promise.all([second, third]);
  expect(order).toEqual(['second', 'third']);
  expect([all.used, counts.freed]).toEqual([1, 2]);
});

test('gives each GPU to one reservation and takes it back', async () => {
  const { all } = newSlots(5, ['a', 'b', 'c']);
  const two = await all.reserve(2, never);
  const waiting = all.reserve(2, never);
  expect([all.freeGpus, all.free]).toEqual([0, 3]);
  two.release();
  expect((await waiting).gpuIds).toEqual(['c', 'a']);
  expect(all.freeGpus).toBe(1);
});

test('forgets who gave up waiting and serves the next', async () => {
  const { all } = newSlots(2, ['a']);
  const givesUp = new AbortController();
  await all.reserve(1, never);
  const abandoned = all.reserve(1, givesUp.signal);
  const next = all.reserve(0, never);
  givesUp.abort(new Error('cancelled'));
  await expect(abandoned).rejects.toThrow('cancelled');
  expect((await next).gpuIds).toEqual([]);
  await expect(all.reserve(0, givesUp.signal)).rejects.toThrow('cancelled');
});

test('counts adopted attempts also beyond the limit', async () => {
  const { all } = newSlots(1, ['a', 'b']);
  const one = all.occupy(['b']);
  const two = all.occupy([]);
  expect([all.used, all.free, all.freeGpus]).toEqual([2, 0, 1]);
  const waiting = all.reserve(1, never);
  one.release();
  two.release();
  expect((await waiting).gpuIds).toEqual(['a']);
});
