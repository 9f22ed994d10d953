import { expect, it } from 'vitest';
import { type BatcherOptions, createBatcher } from './batcher.ts';

interface Item {
  readonly key: string;
  readonly n: number;
}

/** A batcher whose batches end when the test says so. */
function openBatcher(options: Partial<BatcherOptions<Item>> = {}) {
  const running: { items: readonly Item[]; end: () => void }[] = [];
  const batches: string[][] = [];
  const batcher = createBatcher<Item>({
    keyOf: (item) => item.key,
    sizeOf: (item) => item.n,
    maxItems: 100,
    maxSize: 1000,
    maxInFlight: 2,
    run: (items) => {
      batches.push(items.map((item) => `${item.key}${item.n}`));
      return new Promise((end) => running.push({ items, end }));
    },
    ...options,
  });
  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  return { batcher, batches, running, turn };
}

it('takes what arrived in one turn as one batch', async () => {
  const { batcher, batches, turn } = openBatcher();
  for (const item of items('a1 b2 a3')) batcher.add(item);
  expect(batcher.queuedSize).toBe(6);
  await turn();
  expect(batches).toEqual([['a1', 'a3', 'b2']]);
  expect(batcher.queuedSize).toBe(0);
});

it('never has a key in two batches at once and keeps its order', async () => {
  const { batcher, batches, running, turn } = openBatcher();
  batcher.add({ key: 'a', n: 1 });
  await turn();
  for (const item of items('a2 b1 a3')) batcher.add(item);
  await turn();
  expect(batches).toEqual([['a1'], ['b1']]);
  running[0]!.end();
  await turn();
  expect(batches[2]).toEqual(['a2', 'a3']);
});

it('closes a batch at its limits but takes an item that is larger by itself', async () => {
  const small = openBatcher({ maxItems: 2, maxInFlight: 10 });
  for (const item of items('a1 b1 c1')) small.batcher.add(item);
  await small.turn();
  expect(small.batches).toEqual([['a1', 'b1'], ['c1']]);

  const large = openBatcher({ maxSize: 10, maxInFlight: 10 });
  for (const item of items('a50 b4 c6 d1')) large.batcher.add(item);
  await large.turn();
  expect(large.batches).toEqual([['a50'], ['b4', 'c6'], ['d1']]);
});

it('runs no more batches at once than it may', async () => {
  const { batcher, batches, running, turn } = openBatcher({ maxItems: 1 });
  for (const item of items('a1 b1 c1')) batcher.add(item);
  await turn();
  expect(batches.length).toBe(2);
  running[1]!.end();
  await turn();
  expect(batches.length).toBe(3);
});

it('is idle when nothing waits and nothing runs', async () => {
  const { batcher, running, turn } = openBatcher();
  await batcher.idle();
  batcher.add({ key: 'a', n: 1 });
  let isIdle = false;
  const idle = batcher.idle().then(() => {
    isIdle = true;
  });
  await turn();
  expect(isIdle).toBe(false);
  running[0]!.end();
  await idle;
});

function items(text: string): Item[] {
  return text.split(' ').map((word) => ({ key: word[0]!, n: Number(word.slice(1)) }));
}
