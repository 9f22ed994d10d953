import { createRequire } from 'node:module';
import { levelsOf } from '../montage.ts';
import { measureRounds, readTask } from './rounds.ts';

/** BullMQ's flows on Redis; producer and worker in one process. */
const CONCURRENCY = 500;
const QUEUE = 'bench';

interface Job {
  readonly id?: string;
  readonly name: string;
  readonly data: { readonly level?: number };
}
interface Flow {
  readonly name: string;
  readonly queueName: string;
  readonly data?: { readonly level: number };
  readonly children?: readonly Flow[];
}
interface BullMq {
  readonly FlowProducer: new (
    options: object,
  ) => { readonly add: (flow: Flow) => Promise<unknown>; readonly close: () => Promise<void> };
  readonly Worker: new (
    queue: string,
    processor: (job: Job) => Promise<void>,
    options: object,
  ) => {
    readonly on: (event: string, listener: (job: Job) => void) => void;
    readonly close: () => Promise<void>;
  };
}

const task = readTask();
const load = createRequire(`${task.modules}/package.json`);
const { FlowProducer, Worker } = load('bullmq') as BullMq;
const connection = { path: task.redis, maxRetriesPerRequest: null };
const producer = new FlowProducer({ connection });
let begun: number[] = [];
let ended: () => void = () => {};
const levels = levelsOf(task.montage);
const worker = new Worker(
  QUEUE,
  async ({ name, data }) => {
    begun.push(performance.now());
    if (name === 'join' && data.level !== undefined && data.level + 1 < levels.length)
      await addLevel(data.level + 1);
  },
  { connection, concurrency: CONCURRENCY },
);
worker.on('completed', ({ name }) => {
  if (name === 'end') ended();
});
await measureRounds(
  {
    chain: async (hops) => {
      begun = [];
      let flow: Flow = { name: 'leaf', queueName: QUEUE };
      for (let hop = 1; hop < hops; hop += 1) {
        flow = { name: hop === hops - 1 ? 'end' : 'leaf', queueName: QUEUE, children: [flow] };
      }
      await untilEnd(() => producer.add(flow));
      return begun;
    },
    wide: (count) => untilEnd(() => producer.add({ name: 'end', queueName: QUEUE, children: leaves(count) })),
    // A flow is a tree, so no stage can have two that wait for it; a flow per level, whose join adds the next.
    montage: () => untilEnd(() => addLevel(0)),
  },
  task,
);
await worker.close();
await producer.close();
process.exit();

function addLevel(level: number): Promise<unknown> {
  const name = level === levels.length - 1 ? 'end' : 'join';
  const children = leaves(levels[level]!.length);
  return producer.add({ name, queueName: QUEUE, data: { level }, children });
}

function leaves(count: number): Flow[] {
  return Array.from({ length: count }, () => ({ name: 'leaf', queueName: QUEUE }));
}

async function untilEnd(start: () => Promise<unknown>): Promise<void> {
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  await start();
  await end;
}
