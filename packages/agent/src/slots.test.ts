import { expect, test } from 'vitest';
import { Slots } from './slots.ts';

const never = new AbortController().signal;

function newSlots(slots: number, gpuIds: string[] = []) {
  const counts = { freed: 0 };
  const all = new Slots({
    lanes: [slots],
    gpuIds,
    onFree: () => {
      counts.freed += 1;
    },
  });
  return { all, counts };
}

test('gives slots first come, first served, and counts those who wait', async () => {
  const { all, counts } = newSlots(1);
  const first = await all.reserve(0, 0, never);
  const order: string[] = [];
  const second = all.reserve(0, 0, never).then((reservation) => {
    order.push('second');
    reservation.release();
  });
  const third = all.reserve(0, 0, never).then(() => order.push('third'));
  expect([all.free(0), all.used]).toEqual([0, 1]);
  first.release();
  first.release();
  await Promise.all([second, third]);
  expect(order).toEqual(['second', 'third']);
  expect([all.used, counts.freed]).toEqual([1, 2]);
});

test('gives each GPU to one reservation and takes it back', async () => {
  const { all } = newSlots(5, ['a', 'b', 'c']);
  const two = await all.reserve(0, 2, never);
  const waiting = all.reserve(0, 2, never);
  expect([all.freeGpus, all.free(0)]).toEqual([0, 3]);
  two.release();
  expect((await waiting).gpuIds).toEqual(['c', 'a']);
  expect(all.freeGpus).toBe(1);
});

test('forgets who gave up waiting and serves the next', async () => {
  const { all } = newSlots(2, ['a']);
  const givesUp = new AbortController();
  await all.reserve(0, 1, never);
  const abandoned = all.reserve(0, 1, givesUp.signal);
  const next = all.reserve(0, 0, never);
  givesUp.abort(new Error('cancelled'));
  await expect(abandoned).rejects.toThrow('cancelled');
  expect((await next).gpuIds).toEqual([]);
  await expect(all.reserve(0, 0, givesUp.signal)).rejects.toThrow('cancelled');
});

test('counts adopted attempts also beyond the limit', async () => {
  const { all } = newSlots(1, ['a', 'b']);
  const one = all.occupy(0, ['b']);
  const two = all.occupy(0, []);
  expect([all.used, all.free(0), all.freeGpus]).toEqual([2, 0, 1]);
  const waiting = all.reserve(0, 1, never);
  one.release();
  two.release();
  expect((await waiting).gpuIds).toEqual(['a']);
});

test('never lets a lane wait for another, and shares the GPUs', async () => {
  const all = new Slots({ lanes: [1, 2], gpuIds: ['a'], onFree: () => undefined });
  const long = await all.reserve(0, 1, never);
  const waits = all.reserve(0, 0, never);
  expect([all.free(0), all.free(1), all.freeGpus]).toEqual([0, 2, 0]);
  const short = await all.reserve(1, 0, never);
  const wantsGpu = all.reserve(1, 1, never);
  expect([all.used, all.free(1)]).toEqual([2, 0]);
  long.release();
  expect((await waits).gpuIds).toEqual([]);
  expect((await wantsGpu).gpuIds).toEqual(['a']);
  short.release();
  expect([all.used, all.free(0), all.free(1)]).toEqual([2, 0, 1]);
});
