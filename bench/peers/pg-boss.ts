import { createRequire } from 'node:module';
import type { DagNode } from '@trainyard/dag';
import { measureRounds, readTask } from './rounds.ts';

/**
 * pg-boss' flows (jobs with dependencies) on PostgreSQL, in one process, in one of two ways: `worker`, as it
 * is meant to be used, where its resolver of flows comes by once a second at most; or `loop`, where the bench
 * fetches, completes and resolves by itself without a pause, the fastest that its interface allows.
 *
 *   node bench/peers/pg-boss.ts TASK worker|loop
 */
const QUEUE = 'bench';
/** The least that pg-boss accepts. Its notifications tell of new jobs only, not of those set free by others. */
const POLL_S = 0.5;
const FLOW_S = 1;
const BATCH = 1_000;

interface FlowJob {
  readonly ref: string;
  readonly name: string;
  readonly dependsOn?: readonly string[];
}
interface FetchedJob {
  readonly id: string;
}
interface Boss {
  readonly start: () => Promise<unknown>;
  readonly stop: (options: { readonly graceful: boolean }) => Promise<void>;
  readonly on: (event: 'error', listener: (error: Error) => void) => void;
  readonly createQueue: (name: string) => Promise<void>;
  readonly work: (
    name: string,
    options: object,
    handler: (jobs: readonly FetchedJob[]) => Promise<void>,
  ) => Promise<unknown>;
  readonly flow: (jobs: readonly FlowJob[]) => Promise<Readonly<Record<string, string>>>;
  readonly fetch: (name: string, options: { readonly batchSize: number }) => Promise<readonly FetchedJob[]>;
  readonly complete: (name: string, ids: readonly string[]) => Promise<unknown>;
  readonly resolveFlow: () => Promise<void>;
}

const task = readTask();
const load = createRequire(`${task.modules}/package.json`);
const { PgBoss } = load('pg-boss') as { readonly PgBoss: new (options: object) => Boss };
const isWorker = process.argv[3] === 'worker';
const own = isWorker ? { flowIntervalSeconds: FLOW_S } : { supervise: false };
const boss = new PgBoss({ ...task.postgres, ...own, schedule: false });
let begun: number[] = [];
let wanted = 0;
let ended: () => void = () => {};
boss.on('error', (error) => process.stderr.write(`${error.stack}\n`));
await boss.start();
await boss.createQueue(QUEUE);
if (isWorker)
  await boss.work(QUEUE, { batchSize: BATCH, pollingIntervalSeconds: POLL_S }, async (jobs) => note(jobs));
await measureRounds(
  {
    chain: (hops) => run(indexed(hops).map((i) => job(`s${i}`, i > 0 ? [`s${i - 1}`] : []))),
    wide: async (count) => {
      const refs = indexed(count).map((i) => `s${i}`);
      await run([...refs.map((ref) => job(ref)), job('join', refs)]);
    },
    montage: async (nodes) => {
      await run(nodes.map(({ name, dependsOn }) => job(name, dependsOn)));
    },
  },
  task,
);
await boss.stop({ graceful: false });
process.exit();

/** Answers when each job's body began. */
async function run(jobs: readonly FlowJob[]): Promise<readonly number[]> {
  begun = [];
  wanted = jobs.length;
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  await boss.flow(jobs);
  if (isWorker) await end;
  else await work();
  return begun;
}

async function work(): Promise<void> {
  while (begun.length < wanted) {
    const fetched = await boss.fetch(QUEUE, { batchSize: BATCH });
    note(fetched);
    if (fetched.length > 0) {
      await boss.complete(
        QUEUE,
        fetched.map(({ id }) => id),
      );
    }
    if (begun.length < wanted) await boss.resolveFlow();
  }
}

function note(jobs: readonly FetchedJob[]): void {
  for (const _ of jobs) begun.push(performance.now());
  if (begun.length === wanted) ended();
}

function job(ref: string, dependsOn: DagNode['dependsOn'] = []): FlowJob {
  return { ref, name: QUEUE, ...(dependsOn.length > 0 && { dependsOn }) };
}

function indexed(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
