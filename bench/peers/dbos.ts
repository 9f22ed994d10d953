import { createRequire } from 'node:module';
import type { DagNode } from '@trainyard/dag';
import { levelsOf } from '../montage.ts';
import type { PeerTask } from './peer-protocol.ts';
import { measureRounds, readTask } from './rounds.ts';

/**
 * DBOS in one process, in one of its two ways: `steps` of one workflow, each recorded in PostgreSQL but run
 * where the workflow runs; or `queue`, a workflow per stage, which any process may take from a durable queue.
 * Only the second hands work out, as Trainyard does.
 *
 *   node bench/peers/dbos.ts TASK steps|queue
 */
const POOL = 20;
/** Its default is 1,000; asked less often, a hop takes that long. */
const POLL_MS = 10;
const QUEUE = 'bench';

interface Handle {
  readonly getResult: (options: { readonly pollingIntervalMs: number }) => Promise<unknown>;
}
type Workflow = (...args: number[]) => Promise<void>;
interface Dbos {
  readonly setConfig: (config: Readonly<Record<string, unknown>>) => void;
  readonly launch: () => Promise<void>;
  readonly shutdown: () => Promise<void>;
  readonly registerWorkflow: (body: Workflow, config: { readonly name: string }) => Workflow;
  readonly registerQueue: (name: string, options: Readonly<Record<string, unknown>>) => Promise<unknown>;
  readonly runStep: (body: () => Promise<void>, config: { readonly name: string }) => Promise<void>;
  readonly startWorkflow: (
    body: Workflow,
    params?: { readonly queueName: string },
  ) => (...args: number[]) => Promise<Handle>;
}

const task = readTask();
const usesQueue = process.argv[3] === 'queue';
const load = createRequire(`${task.modules}/package.json`);
const { DBOS } = load('@dbos-inc/dbos-sdk') as { readonly DBOS: Dbos };
let begun: number[] = [];
const levels = levelsOf(task.montage);

DBOS.setConfig(configOf(task));
const leaf = DBOS.registerWorkflow(body, { name: 'leaf' });
const chain = DBOS.registerWorkflow(
  async (hops) => {
    for (let hop = 0; hop < hops!; hop += 1) await runAll([hop]);
  },
  { name: 'chain' },
);
const wide = DBOS.registerWorkflow(
  async (count) => {
    await runAll(Array.from({ length: count! }));
    await runAll([1]);
  },
  { name: 'wide' },
);
// A workflow must start its steps in the same order when it is recovered, so levels and not single edges.
const montage = DBOS.registerWorkflow(
  async () => {
    for (const level of levels) await runAll(level);
  },
  { name: 'montage' },
);
await DBOS.launch();
if (usesQueue) await DBOS.registerQueue(QUEUE, { minPollingIntervalMs: POLL_MS });
await measureRounds(
  {
    chain: async (hops) => {
      begun = [];
      await runWorkflow(chain, hops);
      return begun;
    },
    wide: (count) => runWorkflow(wide, count),
    montage: (_: readonly DagNode[]) => runWorkflow(montage),
  },
  task,
);
await DBOS.shutdown();
process.exit();

async function body(): Promise<void> {
  begun.push(performance.now());
}

async function runAll(stages: readonly unknown[]): Promise<void> {
  if (!usesQueue) {
    await Promise.all(stages.map(() => DBOS.runStep(body, { name: 'leaf' })));
    return;
  }
  const handles = await Promise.all(stages.map(() => DBOS.startWorkflow(leaf, { queueName: QUEUE })()));
  await Promise.all(handles.map((handle) => handle.getResult({ pollingIntervalMs: POLL_MS })));
}

async function runWorkflow(workflow: Workflow, ...args: number[]): Promise<void> {
  const handle = await DBOS.startWorkflow(workflow)(...args);
  await handle.getResult({ pollingIntervalMs: POLL_MS });
}

function configOf({ postgres }: PeerTask): Readonly<Record<string, unknown>> {
  const { host, port, user, database } = postgres!;
  const { Pool } = load('pg') as { readonly Pool: new (config: object) => unknown };
  return {
    name: 'bench',
    systemDatabaseUrl: `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`,
    systemDatabasePool: new Pool({ host, port, user, database, max: POOL }),
    logLevel: 'error',
  };
}
