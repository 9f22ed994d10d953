import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, createAgent, noopExecutor } from '@trainyard/agent';
import type { RunEvent } from '@trainyard/protocol';
import { type RunningServer, startServer } from '@trainyard/server';
import { importWfFormat } from '@trainyard/server/definition';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, flatten, until } from '../support/api.ts';
import { recordedWorkflows } from '../support/recorded-workflows.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
let dir: string;
let server: RunningServer;
let agent: Agent;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-recorded-'));
  server = await startServer({ dataDir: join(dir, 'data'), logLevel: 'error' });
  agent = createAgent({
    url: server.url,
    token: server.agentToken,
    dataDir: join(dir, 'agent'),
    slots: 64,
    log: quiet,
    executors: { local: noopExecutor },
  });
  await agent.start();
});
afterAll(async () => {
  await agent?.stop();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe('recorded workflows through server and agent', () => {
  it.each(recordedWorkflows())(
    '$name completes, each task after those it waits for',
    async ({ source }) => {
      const result = importWfFormat(source);
      if (!result.ok) throw new Error(JSON.stringify(result.faults));
      const { stages } = result.input;
      const { get, post, tree } = api(server.url);
      const { id } = await post<{ id: string }>('/api/v1/runs', { definition: result.input });
      const run = await until(
        'the end of the run',
        async () => {
          const { status, endedAt } = await get<{ status: string; endedAt: string | null }>(
            `/api/v1/runs/${id}`,
          );
          return endedAt !== null && { status };
        },
        300_000,
      );
      expect(run.status).toBe('completed');
      const runs = flatten(await tree(id)).slice(1);
      expect(runs.map(({ name }) => name).sort()).toEqual(stages.map(({ name }) => name).sort());
      expect(new Set(runs.map(({ status }) => status))).toEqual(new Set(['completed']));
      const nameOf = new Map(runs.map((stage) => [stage.id, stage.name]));
      expectOrder(await eventsOf(id), nameOf, stages);
    },
    300_000,
  );
});

async function eventsOf(id: string): Promise<RunEvent[]> {
  const all: RunEvent[] = [];
  for (let after = 0; ; ) {
    const page = await api(server.url).get<{ items: RunEvent[]; nextSeq: number }>(
      `/api/v1/runs/${id}/events?afterSeq=${after}&limit=1000`,
    );
    if (page.items.length === 0) return all;
    all.push(...page.items);
    after = page.nextSeq;
  }
}

/** Ready, started and ended once each and in that order, and none ready before its dependencies have ended. */
function expectOrder(
  events: readonly RunEvent[],
  nameOf: ReadonlyMap<string, string>,
  stages: readonly { readonly name: string; readonly dependsOn?: readonly string[] }[],
): void {
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => events[0]!.seq + index));
  const at = new Map<string, number>();
  for (const { type, runId, seq } of events) {
    const name = nameOf.get(runId);
    if (name === undefined || !['run.ready', 'run.started', 'run.finished'].includes(type)) continue;
    expect(at.has(`${type} ${name}`), `${type} of ${name} twice`).toBe(false);
    at.set(`${type} ${name}`, seq);
  }
  for (const { name, dependsOn = [] } of stages) {
    const [ready, started, finished] = ['ready', 'started', 'finished'].map(
      (it) => at.get(`run.${it} ${name}`)!,
    );
    const ends = dependsOn.map((dependency) => at.get(`run.finished ${dependency}`)!);
    const order = [Math.max(0, ...ends), ready, started, finished];
    expect(order, name).toEqual(order.toSorted((a, b) => a! - b!));
    expect(new Set(order).size, name).toBe(order.length);
  }
}
