import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, createAgent, localExecutor, noopExecutor } from '@trainyard/agent';
import type { RunEvent, RunTree } from '@trainyard/protocol';
import { type RunningServer, startServer } from '@trainyard/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, flatten, until } from '../support/api.ts';
import { payloadsOf } from '../support/processes.ts';

interface Stage {
  readonly name: string;
  readonly dependsOn?: readonly string[];
  readonly job?: { readonly command: string; readonly queue?: string };
  readonly pipeline?: { readonly maxParallel?: number; readonly stages: readonly Stage[] };
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const START_STOP_ROUNDS = 100;
const CANCEL_LIMIT_MS = 2_000;

let dir: string;
let server: RunningServer;
/** One slot for stages that do nothing, which are all but those of the queue "real". */
let single: Agent;
let real: Agent;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-nested-'));
  server = await startServer({ dataDir: join(dir, 'data'), logLevel: 'error' });
  single = agentOf('single', 1, ['default'], true);
  real = agentOf('real', 10, ['real'], false);
  await Promise.all([single.start(), real.start()]);
});
afterAll(async () => {
  await Promise.all([single?.stop(), real?.stop()]);
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

// The items named "T:" in the requirements for nested DAGs, through server, database and agents.
describe('nested pipelines', () => {
  it('eight side by side, ten levels deep and eight wide at the bottom, complete with one slot', async () => {
    const nested = Array.from({ length: 8 }, (_, at) => ({
      name: `n${at}`,
      pipeline: { maxParallel: 8, stages: tower(9, 8) },
    }));
    const run = await ended(await submit(nested, 8));
    expect(run.status).toBe('completed');
    const all = flatten(run).slice(1);
    expect(all.filter(({ kind }) => kind === 'job')).toHaveLength(8 * 8);
    expect(all.filter(({ kind }) => kind === 'pipeline')).toHaveLength(8 * 9);
    expect(all.every(({ status }) => status === 'completed')).toBe(true);
  }, 180_000);

  it.each([2, 16])(
    '%d side by side are ready, started and ended once each',
    async (count) => {
      const nested = Array.from({ length: count }, (_, at) => ({
        name: `n${at}`,
        pipeline: { stages: tower(1, 3) },
      }));
      const run = await ended(await submit(nested, count));
      expect(run.status).toBe('completed');
      const events = await eventsOf(run.id);
      for (const { id } of flatten(run).slice(1)) {
        const own = events.filter(
          ({ runId, type }) => runId === id && /^run\.(ready|started|finished)$/.test(type),
        );
        expect(own.map(({ type }) => type)).toEqual(['run.ready', 'run.started', 'run.finished']);
      }
    },
    120_000,
  );

  it('carry the failure of a leaf on the fifth level to the root, every level naming the whole path', async () => {
    const leaf = { name: 'leaf', job: { command: 'exit 3', queue: 'real' } };
    const run = await ended(await submit(inside(4, [leaf])));
    const path = 'inner/inner/inner/inner/leaf';
    const groups = flatten(run).filter(({ kind }) => kind === 'pipeline');
    expect(groups).toHaveLength(5);
    for (const { status, error } of groups) {
      expect(status).toBe('failed');
      expect(error?.message).toContain(`"${path}"`);
      expect(error?.message).toContain('3');
    }
  }, 60_000);

  it('of eleven levels are refused with the exact message, and nothing of them is stored', async () => {
    const before = await runCount();
    const response = await fetch(`${server.url}/api/v1/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ definition: { name: 'deep', stages: inside(10, tower(1, 1)) } }),
    });
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { details: { faults: { message: string }[] } } };
    expect(error.details.faults.map(({ message }) => message)).toEqual([
      'DAG nesting depth exceeds limit (10)',
    ]);
    expect(await runCount()).toBe(before);
    expect((await ended(await submit(inside(9, tower(1, 1))))).status).toBe('completed');
  }, 60_000);

  it('with the same names inside and outside are kept apart in fifty runs at once', async () => {
    const stages: Stage[] = [
      {
        name: 'a',
        pipeline: {
          stages: [
            { name: 'a', job: noop },
            { name: 'b', dependsOn: ['a'], job: noop },
          ],
        },
      },
      {
        name: 'b',
        dependsOn: ['a'],
        pipeline: {
          stages: [
            { name: 'b', job: noop },
            { name: 'a', dependsOn: ['b'], job: noop },
          ],
        },
      },
    ];
    const ids = await Promise.all(Array.from({ length: 50 }, () => submit(stages)));
    for (const id of ids) {
      const run = await ended(id);
      expect(run.status).toBe('completed');
      const runs = flatten(run);
      expect(runs).toHaveLength(7);
      const finished = (await eventsOf(id)).filter(({ type }) => type === 'run.finished');
      expect(finished.map(({ runId }) => runId).sort()).toEqual(runs.map((it) => it.id).sort());
      const order = finished.map(({ runId }) => pathOf(run, runId));
      expect(order).toEqual(['a/a', 'a/b', 'a', 'b/b', 'b/a', 'b', '']);
    }
  }, 180_000);

  it('are cancelled from the root down to real processes on the tenth level within two seconds', async () => {
    const job = { command: 'sleep 600', queue: 'real' };
    const leaf = { name: 'leaf', job };
    const stages = [...inside(9, [leaf]), leaf, { name: 'later', dependsOn: ['leaf'], job }];
    /** Milliseconds from the request to the end. */
    const cancelOnce = async (): Promise<number> => {
      const id = await submit(stages);
      const ids = flatten(await api(server.url).tree(id)).map((it) => it.id);
      await until(
        'both processes',
        async () => new Set(payloadsOf(ids)).size >= 2 && (await statusOf(id, 'running', 2)),
      );
      const askedAt = performance.now();
      await api(server.url).post(`/api/v1/runs/${id}/cancel`, { reason: 'enough' });
      const run = await ended(id);
      const tookMs = performance.now() - askedAt;
      expect(new Set(flatten(run).map(({ status }) => status))).toEqual(new Set(['cancelled']));
      expect(payloadsOf(ids)).toEqual([]);
      return tookMs;
    };
    // A machine with other work can be slow once, not three times.
    let fastest = await cancelOnce();
    for (let more = 0; more < 2 && fastest >= CANCEL_LIMIT_MS; more += 1)
      fastest = Math.min(fastest, await cancelOnce());
    expect(fastest).toBeLessThan(CANCEL_LIMIT_MS);
  }, 60_000);

  it('are cancelled one by one: the processes of one end, the other with the same names completes', async () => {
    const go = join(dir, 'go-on');
    const waits = { command: `until test -e ${go}; do sleep 0.02; done`, queue: 'real' };
    const part = (name: string): Stage => ({
      name,
      pipeline: {
        stages: [
          { name: 'work', job: waits },
          { name: 'after', dependsOn: ['work'], job: noop },
        ],
      },
    });
    const id = await submit([part('left'), part('right')]);
    const [left, right] = (await api(server.url).tree(id)).children;
    const processesOf = (branch: RunTree) => payloadsOf(flatten(branch).map((it) => it.id));
    await until('both', async () => [left!, right!].every((branch) => processesOf(branch).length > 0));
    await api(server.url).post(`/api/v1/runs/${left!.id}/cancel`, { reason: 'only this one' });
    await until('the end of one', async () => (await api(server.url).tree(id)).children[0]!.endedAt !== null);
    expect(processesOf(left!)).toEqual([]);
    expect(processesOf(right!).length).toBeGreaterThan(0);
    writeFileSync(go, '');
    const run = await ended(id);
    expect(flatten(run).map(({ path, status }) => `${path} ${status}`)).toEqual([
      ' failed',
      'left cancelled',
      'left/work cancelled',
      'left/after cancelled',
      'right completed',
      'right/work completed',
      'right/after completed',
    ]);
  }, 60_000);

  it('are bounded by the deadline around them, whatever their own, down to real processes', async () => {
    const leaf = { name: 'leaf', timeout: '1h', job: { command: 'sleep 600', queue: 'real' } };
    let stages: object[] = [leaf, { name: 'later', dependsOn: ['leaf'], job: noop }];
    for (let level = 0; level < 5; level += 1) {
      stages = [{ name: 'inner', pipeline: { deadline: '1h', stages } }];
    }
    const definition = { name: 'bounded', deadline: '6s', stages };
    const { id } = await api(server.url).post<{ id: string }>('/api/v1/runs', { definition });
    const ids = flatten(await api(server.url).tree(id)).map((it) => it.id);
    await until('the process', async () => payloadsOf(ids).length > 0);
    const run = await ended(id);
    const statuses = flatten(run).map(({ name, status, reason }) => [name, status, reason]);
    expect(statuses.filter(([, status]) => status === 'timed_out')).toHaveLength(7);
    expect(statuses.at(-1)).toEqual(['later', 'skipped', 'deadline']);
    expect(payloadsOf(ids)).toEqual([]);
    expect(Date.parse(run.endedAt!) - Date.parse(run.startedAt!)).toBeLessThan(6_000 + CANCEL_LIMIT_MS);
  }, 60_000);

  it('under fail_fast let the rest finish without using the CPU, and leave nothing undone', async () => {
    const stages: Stage[] = [
      { name: 'long', job: { command: 'sleep 4', queue: 'real' } },
      { name: 'bad', job: { command: 'false', queue: 'real' } },
      ...inside(2, tower(1, 2), ['long']),
    ];
    const id = await submit(stages, 8, { failPolicy: 'fail_fast' });
    const isCut = async () =>
      flatten(await api(server.url).tree(id)).some(({ status }) => status === 'skipped');
    await until('the failure', isCut);
    const before = process.cpuUsage();
    const since = performance.now();
    const run = await ended(id, 250);
    const { user, system } = process.cpuUsage(before);
    // Server and agents are all in this process; waiting by turning would take all of one core.
    expect((user + system) / 1_000 / (performance.now() - since)).toBeLessThan(0.5);
    const statuses = flatten(run)
      .slice(1)
      .map(({ name, status }) => `${name} ${status}`);
    expect(statuses.sort()).toEqual(
      [
        'bad failed',
        'inner skipped',
        'inner skipped',
        'leaf0 skipped',
        'leaf1 skipped',
        'long completed',
      ].sort(),
    );
    expect(run.status).toBe('failed');
  }, 60_000);
});

describe('an agent', () => {
  it(`that starts and stops ${START_STOP_ROUNDS} times leaves nothing behind, and the next one works`, async () => {
    const held = async () => (await agents()).filter(({ name }) => name === 'again');
    for (let round = 0; round < START_STOP_ROUNDS; round += 1) {
      const agent = agentOf('again', 2, ['again'], true);
      await agent.start();
      await agent.stop();
      expect(agent.held).toEqual([]);
    }
    expect(await held()).toHaveLength(1);
    const handles = process.getActiveResourcesInfo().length;
    const agent = agentOf('again', 2, ['again'], true);
    await agent.start();
    const run = await ended(await submit([{ name: 'a', job: { command: 'true', queue: 'again' } }]));
    expect(run.status).toBe('completed');
    await agent.drain();
    await agent.stop();
    await until(
      'all handles to be closed',
      async () => process.getActiveResourcesInfo().length <= handles + 2,
    );
  }, 180_000);
});

const noop = { command: 'true' };

function agentOf(name: string, slots: number, queues: readonly string[], isNoop: boolean): Agent {
  return createAgent({
    url: server.url,
    token: server.agentToken,
    dataDir: join(dir, `agent-${name}`),
    name,
    slots,
    queues,
    log: quiet,
    executors: { local: isNoop ? noopExecutor : localExecutor },
  });
}

/** So many levels, of which the innermost has `width` leaves. */
function tower(levels: number, width: number): Stage[] {
  return inside(
    levels - 1,
    Array.from({ length: width }, (_, at) => ({ name: `leaf${at}`, job: noop })),
  );
}

/** The stages with so many pipelines around them. */
function inside(levels: number, stages: readonly Stage[], dependsOn?: readonly string[]): Stage[] {
  if (levels === 0) return [...stages];
  const inner = { name: 'inner', pipeline: { maxParallel: 8, stages: inside(levels - 1, stages) } };
  return [dependsOn === undefined ? inner : { ...inner, dependsOn }];
}

async function submit(stages: readonly Stage[], maxParallel = 8, more: object = {}): Promise<string> {
  const definition = { name: 'nested', maxParallel, stages, ...more };
  return (await api(server.url).post<{ id: string }>('/api/v1/runs', { definition })).id;
}

async function ended(id: string, pollMs = 0): Promise<RunTree> {
  const { get, tree } = api(server.url);
  await until(
    'the end of the run',
    async () => {
      if (pollMs > 0) await new Promise((resolve) => setTimeout(resolve, pollMs));
      return (await get<{ endedAt: string | null }>(`/api/v1/runs/${id}`)).endedAt !== null;
    },
    150_000,
  );
  return tree(id);
}

async function statusOf(id: string, status: string, jobs: number): Promise<boolean> {
  const runs = flatten(await api(server.url).tree(id));
  return runs.filter((run) => run.kind === 'job' && run.status === status).length === jobs;
}

async function eventsOf(id: string): Promise<RunEvent[]> {
  const { get } = api(server.url);
  const page = await get<{ items: RunEvent[] }>(`/api/v1/runs/${id}/events?limit=1000`);
  return page.items;
}

function pathOf(run: RunTree, id: string, path = ''): string | undefined {
  if (run.id === id) return path;
  const inner = path === '' ? '' : `${path}/`;
  return run.children.map((child) => pathOf(child, id, inner + child.name)).find((it) => it !== undefined);
}

async function runCount(): Promise<number> {
  return (await api(server.url).get<{ items: unknown[] }>('/api/v1/runs?limit=200')).items.length;
}

async function agents(): Promise<{ name: string }[]> {
  return (await api(server.url).get<{ items: { name: string }[] }>('/api/v1/agents')).items;
}
