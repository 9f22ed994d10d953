import { hash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, createAgent } from '@trainyard/agent';
import { type AgentClient, connectLive, createAgentClient, type LiveConnection } from '@trainyard/client';
import { attemptFiles, type MetricPoint } from '@trainyard/protocol';
import { type RunningServer, startServer } from '@trainyard/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';

const PROGRAM = ['node', join(import.meta.dirname, '../support/gated-metrics.mjs')];
const STEPS = 120;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

let dir: string;
let server: RunningServer;
let agent: Agent;
let live: LiveConnection;

const startAgent = async (): Promise<Agent> => {
  const started = createAgent({
    url: server.url,
    token: server.agentToken,
    dataDir: join(dir, 'agent'),
    name: 'only',
    // The job has all the slots there are: nothing that collects its metrics may need one.
    slots: 1,
    // Points of the machine are none of the job's.
    timing: { telemetryMs: 0 },
    log: quiet,
  });
  await started.start();
  return started;
};

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-metrics-path-'));
  server = await startServer({ dataDir: join(dir, 'data'), logLevel: 'error' });
  agent = await startAgent();
  live = connectLive({ url: server.url });
});
afterAll(async () => {
  live?.close();
  await agent?.stop();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** One line of the documented shape. */
const line = (step: number) =>
  `${JSON.stringify({ step, timestamp: 1_700_000_000 + step, loss: { actor_loss: step / 4 }, reward: { mean: -step } })}\n`;
const lines = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, at) => line(first + at)).join('');
const point = (step: number) => ({ step, value: step / 4, time: (1_700_000_000 + step) * 1000 });
const points = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, at) => point(first + at));

/** A run of the gated program, watched live from before its first line. */
async function training(name: string) {
  const workingDir = join(dir, name);
  mkdirSync(workingDir);
  let parts = 0;
  const put = (file: string, text: string): void => {
    // Renamed, so that the program never reads half of it.
    writeFileSync(join(workingDir, 'next'), text);
    renameSync(join(workingDir, 'next'), join(workingDir, file));
  };
  const { get, post, tree } = api(server.url);
  const stages = [{ name: 'train', job: { command: PROGRAM, workingDir } }];
  const { id } = await post<{ id: string }>('/api/v1/runs', { definition: { name, stages } });
  const runId = (await tree(id)).children[0]!.id;
  const seen: MetricPoint[] = [];
  live.subscribe({ op: 'subscribe_metrics', runId }, (message) => {
    if (message.type === 'points') seen.push(...(message.points['policy_loss'] ?? []));
  });
  const attempt = await until('the start of the program', async () => {
    const { items } = await get<{ items: { id: string; startedAt: string | null; metricsBytes: number }[] }>(
      `/api/v1/runs/${runId}/attempts`,
    );
    return items[0]?.startedAt != null && items[0];
  });
  return {
    runId,
    attemptId: attempt.id,
    seen,
    write: (text: string) => put(`${parts++}.part`, text),
    /** What the API answers for a range of steps. */
    async stored(first?: number, last?: number): Promise<MetricPoint[]> {
      const range = first === undefined ? '' : `?firstStep=${first}&lastStep=${last}`;
      const all = await get<Record<string, MetricPoint[]>>(`/api/v1/runs/${runId}/metrics${range}`);
      return all['policy_loss'] ?? [];
    },
    async bytes(): Promise<number> {
      const { items } = await get<{ items: { metricsBytes: number }[] }>(`/api/v1/runs/${runId}/attempts`);
      return items[0]!.metricsBytes;
    },
    /** Ends the program and waits for the end of the run. */
    async end(): Promise<void> {
      put('end', '');
      await until('the end of the run', async () => (await tree(id)).status === 'completed');
    },
  };
}

/** What the database holds of a run: each series, and the number of points in all of them. */
async function rowsOf(runId: string) {
  const { pool } = server.database;
  const series = await pool.query<{ key: string; count: number; first_step: number; last_step: number }>(
    'select key, count, first_step, last_step from metric_series where run_id = $1 order by key',
    [runId],
  );
  const chunks = await pool.query<{ n: string }>(
    `select sum(n) as n from metric_chunks join metric_series s on s.id = series_id where run_id = $1`,
    [runId],
  );
  return { series: series.rows, points: Number(chunks.rows[0]!.n) };
}

const filesOf = (runId: string, attemptId: string) =>
  attemptFiles(join(dir, 'agent/attempts', attemptId), runId);

/** A token of our own for an attempt whose agent is away, which takes it up again by what it finds on disk. */
async function tokenFor(
  sender: AgentClient,
  agentId: string,
  runId: string,
  attemptId: string,
): Promise<string> {
  const { agentState } = filesOf(runId, attemptId);
  const state = JSON.parse(readFileSync(agentState, 'utf8')) as { tokenProofs: string[] };
  const token = `tya_${randomBytes(32).toString('hex')}`;
  const next = hash('sha256', token);
  const renewed = await sender.renewTokens(agentId, [
    { attemptId, epoch: 1, known: state.tokenProofs, next },
  ]);
  expect(renewed).toEqual([attemptId]);
  writeFileSync(agentState, JSON.stringify({ ...state, tokenProofs: [...state.tokenProofs, next] }));
  return token;
}

describe('metrics path consistency', () => {
  it('gives the same steps in the file, the live feed, the range query and the database', async () => {
    const { runId, attemptId, seen, write, stored, bytes, end } = await training('same');
    const files = filesOf(runId, attemptId);
    write(lines(0, 49));
    await until('50 points live', async () => seen.length >= 50);
    expect(await stored()).toEqual(points(0, 49));
    write(lines(50, 50));
    write(lines(51, STEPS - 1));
    await end();
    await until('all points live', async () => seen.length >= STEPS);
    expect(seen).toEqual(points(0, STEPS - 1));
    expect(await stored(0, 100)).toEqual(points(0, 100));
    expect(await stored()).toEqual(points(0, STEPS - 1));
    const range = { count: STEPS, first_step: 0, last_step: STEPS - 1 };
    expect(await rowsOf(runId)).toEqual({
      series: ['policy_loss', 'reward/mean'].map((key) => ({ key, ...range })),
      points: 2 * STEPS,
    });
    // The file is where the one resolver says, and all of it has arrived.
    expect(readFileSync(files.metrics, 'utf8')).toBe(lines(0, STEPS - 1));
    expect(await bytes()).toBe(statSync(files.metrics).size);
  });

  it('counts every point once when the file is sent again, by hand or by the next agent', async () => {
    const { runId, attemptId, seen, write, stored, bytes, end } = await training('again');
    const files = filesOf(runId, attemptId);
    write(lines(0, 9));
    await until('ten points', async () => seen.length >= 10);
    const before = await rowsOf(runId);
    expect(before.points).toBe(20);
    const agentId = agent.id!;
    await agent.stop();
    const sender = createAgentClient({ url: server.url, token: server.agentToken });
    const token = await tokenFor(sender, agentId, runId, attemptId);
    const file = readFileSync(files.metrics);
    for (const offset of [0, 0, 100, file.length]) {
      const part = { attemptId, token, epoch: 1, stream: 'metrics', offset } as const;
      const { size } = await sender.append({ ...part, bytes: file.subarray(offset) });
      expect(size).toBe(file.length);
    }
    expect(await rowsOf(runId)).toEqual(before);

    write(lines(10, 19));
    agent = await startAgent();
    await until('the rest', async () => (await bytes()) === lines(0, 19).length);
    await end();
    await until('20 points live', async () => seen.length >= 20);
    expect(await stored()).toEqual(points(0, 19));
    expect(seen).toEqual(points(0, 19));
    expect((await rowsOf(runId)).points).toBe(40);
  });

  it('gives half a line to nobody, and the whole one once it is complete', async () => {
    const { runId, seen, write, stored, bytes, end } = await training('half');
    const half = Math.floor(line(1).length / 2);
    write(line(0) + line(1).slice(0, half));
    await until('the half line', async () => (await bytes()) === line(0).length + half);
    await until('the first point', async () => seen.length >= 1);
    expect(await stored()).toEqual(points(0, 0));
    expect(seen).toEqual(points(0, 0));
    write(line(1).slice(half) + line(2));
    await end();
    await until('the last point', async () => seen.length >= 3);
    expect(await stored()).toEqual(points(0, 2));
    expect(seen).toEqual(points(0, 2));
    expect((await rowsOf(runId)).points).toBe(6);
  });
});
