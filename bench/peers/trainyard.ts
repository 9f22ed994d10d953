import { join } from 'node:path';
import type { Executor } from '@trainyard/agent';
import { createAgent, noopExecutor } from '@trainyard/agent';
import type { DagNode } from '@trainyard/dag';
import { startServer } from '@trainyard/server';
import { measureRounds, readTask } from './rounds.ts';

/** Ours: the whole durable path over HTTP, one server with its embedded database and one agent. */
/** Seldom, because a look at the run costs the server as much as a part of a hop. */
const POLL_MS = 20;
const SLOTS = 500;
const MAX_PARALLEL = 10_000;

const task = readTask();
const server = await startServer({ dataDir: join(task.directory, 'server'), logLevel: 'error' });
let begun: number[] = [];
const timedExecutor: Executor = {
  ...noopExecutor,
  start: (...args) => {
    begun.push(performance.now());
    return noopExecutor.start(...args);
  },
};
const agent = createAgent({
  url: server.url,
  token: server.agentToken,
  dataDir: join(task.directory, 'agent'),
  slots: SLOTS,
  log: { debug() {}, info() {}, warn() {}, error() {} },
  executors: { local: timedExecutor },
});
await agent.start();
try {
  await measureRounds(
    {
      chain: async (hops) => {
        begun = [];
        await run(indexed(hops).map((i) => node(`s${i}`, i > 0 ? [`s${i - 1}`] : [])));
        return begun;
      },
      wide: async (count) => {
        const names = indexed(count).map((i) => `s${i}`);
        await run([...names.map((name) => node(name)), node('join', names)]);
      },
      montage: run,
    },
    task,
  );
  await agent.drain();
  await agent.stop();
} finally {
  await server.stop();
}

async function run(nodes: readonly DagNode[]): Promise<void> {
  const stages = nodes.map(({ name, dependsOn }) => ({ name, dependsOn, job: { command: 'true' } }));
  const definition = { name: 'bench', maxParallel: MAX_PARALLEL, stages };
  const { id } = await call<{ id: string }>('POST', '/api/v1/runs', { definition });
  for (;;) {
    const seen = await call<{ status: string; endedAt: string | null }>('GET', `/api/v1/runs/${id}`);
    if (seen.endedAt !== null) {
      if (seen.status !== 'completed') throw new Error(`run ${id} is ${seen.status}`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function node(name: string, dependsOn: readonly string[] = []): DagNode {
  return { name, dependsOn: [...dependsOn] };
}

function indexed(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(server.url + path, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}
