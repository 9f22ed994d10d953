import type { ClaimedWork, ClaimWork } from '@trainyard/protocol';
import { expect, test } from 'vitest';
import { eventually } from '../testing/eventually.ts';
import { Backoff } from './backoff.ts';
import { type Capacity, ClaimLoop } from './claim-loop.ts';

const none: ClaimedWork = { assignments: [], commands: [] };
const some = { assignments: [{}], commands: [] } as unknown as ClaimedWork;

function newLoop(options: {
  capacity?: () => Capacity;
  claim: (body: ClaimWork, signal: AbortSignal) => Promise<ClaimedWork>;
}) {
  const bodies: ClaimWork[] = [];
  const failures: unknown[] = [];
  const loop = new ClaimLoop({
    claim: (body, signal) => {
      bodies.push(body);
      return options.claim(body, signal);
    },
    capacity: options.capacity ?? (() => ({ free: 1, freeGpus: 0 })),
    held: () => [],
    onWork: async () => undefined,
    onFailure: (error) => failures.push(error),
    waitMs: 25_000,
    backoff: new Backoff({ firstMs: 1, maxMs: 2 }),
  });
  return { loop, bodies, failures };
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<ClaimedWork>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

test('keeps the request id until an answer brings work', async () => {
  const answers = [
    () => Promise.reject(new Error('lost')),
    async () => none,
    async () => some,
    async () => none,
  ];
  const { loop, bodies, failures } = newLoop({ claim: () => answers.shift()!() });
  for (let i = 0; i < 4; i += 1) await loop.tick(new AbortController().signal);
  const [first, second, third, fourth] = bodies.map(({ requestId }) => requestId);
  expect([second, third]).toEqual([first, first]);
  expect(fourth).not.toBe(first);
  expect(failures).toHaveLength(1);
});

test('asks again at once when a slot or a GPU becomes free that the present call does not offer', async () => {
  let capacity: Capacity = { free: 0, freeGpus: 0 };
  const stop = new AbortController();
  const { loop, bodies } = newLoop({ capacity: () => capacity, claim: (_, signal) => untilAborted(signal) });
  const running = loop.run(stop.signal);
  const becomes = async (next: Capacity, calls: number) => {
    capacity = next;
    loop.capacityChanged();
    await eventually(`${calls} calls`, () => bodies.length === calls);
  };
  await becomes({ free: 1, freeGpus: 0 }, 2);
  await becomes({ free: 2, freeGpus: 0 }, 2);
  await becomes({ free: 2, freeGpus: 1 }, 3);
  expect(bodies.map(({ free }) => free)).toEqual([0, 1, 2]);
  stop.abort();
  await running;
});

test('settles with a call that does not wait, under the same request id', async () => {
  const stop = new AbortController();
  const { loop, bodies } = newLoop({
    claim: (body, signal) => (body.waitMs === 0 ? Promise.resolve(none) : untilAborted(signal)),
  });
  const running = loop.run(stop.signal);
  await eventually('the first call', () => bodies.length === 1);
  await loop.settle();
  expect(bodies[1]).toMatchObject({ waitMs: 0, requestId: bodies[0]?.requestId });
  stop.abort();
  await running;
});

test('does not spin while the server repeats a command', async () => {
  const stop = new AbortController();
  const { loop, bodies } = newLoop({ claim: async () => none });
  const before = performance.now();
  for (let i = 0; i < 3; i += 1) await loop.tick(stop.signal);
  expect(bodies).toHaveLength(3);
  expect(performance.now() - before).toBeGreaterThan(500);
});
