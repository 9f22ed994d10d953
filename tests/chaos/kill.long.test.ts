import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Attempt, MetricPoint } from '@trainyard/protocol';
import { afterEach, describe, expect, it, onTestFailed } from 'vitest';
import { api, flatten, until } from '../support/api.ts';
import { isAlive, payloadsOf } from '../support/processes.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const ROUNDS = 10;
const STEPS = 150;
const PAUSE_MS = 20;
const SUPPORT = resolve(import.meta.dirname, '../support');

const PIPELINE = {
  name: 'chaos',
  stages: [
    {
      name: 'train',
      pipeline: {
        stages: ['left', 'right'].map((name) => ({
          name,
          job: {
            command: ['node', 'steady-job.mjs'],
            env: { STEPS: String(STEPS), PAUSE_MS: String(PAUSE_MS) },
          },
        })),
      },
    },
    { name: 'after', dependsOn: ['train'], job: { command: 'echo done' } },
  ],
};

describe('kill -9 in the middle of training', () => {
  const dirs: string[] = [];
  const processes: TrainyardProcess[] = [];
  afterEach(async () => {
    for (const process of processes.splice(0)) await process.kill('SIGTERM');
    for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
  });

  /** A server and an agent as two processes; either can be killed and started again at the same place. */
  async function startBoth() {
    const dir = mkdtempSync(join(tmpdir(), 'trainyard-chaos-'));
    dirs.push(dir);
    onTestFailed(() => {
      for (const process of started) console.error(process.stderr().slice(-20_000));
    });
    const started: TrainyardProcess[] = [];
    const start = (args: readonly string[]) => {
      const process = startTrainyard(args);
      started.push(process);
      processes.push(process);
      return process;
    };
    let port = '0';
    const startServer = async () => {
      const server = start(['up', '--no-agent', '--port', port, '--data-dir', join(dir, 'server')]);
      const [, url] = await server.line(/^ready (http:\S+)$/);
      port = new URL(url!).port;
      return { server, url: url! };
    };
    const startAgent = (url: string) => {
      const agent = start(['agent', '--url', url, '--data-dir', join(dir, 'agent'), '--slots', '2']);
      return agent;
    };
    const { server, url } = await startServer();
    return { dir, server, url, agent: startAgent(url), startServer, startAgent };
  }

  async function submit(url: string) {
    const server = api(url);
    const { id } = await server.post<{ id: string }>('/api/v1/runs', {
      definition: PIPELINE,
      baseDir: SUPPORT,
    });
    const jobs = await until('both jobs run', async () => {
      const running = flatten(await server.tree(id)).filter(
        (run) => /left|right/.test(run.name) && run.status === 'running',
      );
      return running.length === 2 && running;
    });
    return { id, jobs };
  }

  async function expectNothingLost(url: string, id: string): Promise<void> {
    const server = api(url);
    await server.ended(id, 120_000);
    const runs = flatten(await server.tree(id));
    expect(runs.map((run) => `${run.name} ${run.status}`)).toEqual(
      ['chaos', 'train', 'left', 'right', 'after'].map((name) => `${name} completed`),
    );
    for (const job of runs.filter((run) => /left|right/.test(run.name))) {
      const { items } = await server.get<{ items: Attempt[] }>(`/api/v1/runs/${job.id}/attempts`);
      expect(items.map((attempt) => attempt.status)).toEqual(['completed']);
      const points = (await server.get<Record<string, MetricPoint[]>>(`/api/v1/runs/${job.id}/metrics`))[
        'total_loss'
      ]!;
      expect(points.map((point) => point.step)).toEqual(Array.from({ length: STEPS }, (_, step) => step));
      const log = await server.text(`/api/v1/runs/${job.id}/log`);
      expect(log).toBe(Array.from({ length: STEPS }, (_, step) => `step ${step}\n`).join(''));
    }
    expect(payloadsOf(runs.map((run) => run.id))).toEqual([]);
  }

  /** A moment in the life of the jobs, before the last of them ends. */
  const randomMoment = () =>
    new Promise((resolve) => setTimeout(resolve, Math.random() * STEPS * PAUSE_MS * 0.8));

  it(`of the server disturbs no training and loses nothing, ${ROUNDS} times`, async () => {
    let { server, url, startServer } = await startBoth();
    for (let round = 0; round < ROUNDS; round += 1) {
      const { id, jobs } = await submit(url);
      const payloads = payloadsOf(jobs.map((job) => job.id));
      // Each job has its supervisor and its program.
      expect(payloads.length).toBeGreaterThanOrEqual(2);
      await randomMoment();
      const before = payloads.filter(isAlive);
      await server.kill('SIGKILL');
      expect(before.every(isAlive)).toBe(true);
      ({ server, url } = await startServer());
      await expectNothingLost(url, id);
    }
  });

  it(`of the embedded database disturbs no training and loses nothing, ${ROUNDS} times`, async () => {
    const { url, dir } = await startBoth();
    for (let round = 0; round < ROUNDS; round += 1) {
      const { id, jobs } = await submit(url);
      const payloads = payloadsOf(jobs.map((job) => job.id));
      // Each job has its supervisor and its program.
      expect(payloads.length).toBeGreaterThanOrEqual(2);
      await randomMoment();
      const before = payloads.filter(isAlive);
      const pidFile = join(dir, 'server', 'postgres', 'cluster', 'postmaster.pid');
      process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), 'SIGKILL');
      expect(before.every(isAlive)).toBe(true);
      await expectNothingLost(url, id);
    }
  });

  it(`of the agent disturbs no training and loses nothing, ${ROUNDS} times`, async () => {
    let { agent, url, startAgent } = await startBoth();
    for (let round = 0; round < ROUNDS; round += 1) {
      const { id, jobs } = await submit(url);
      const payloads = payloadsOf(jobs.map((job) => job.id));
      // Each job has its supervisor and its program.
      expect(payloads.length).toBeGreaterThanOrEqual(2);
      await randomMoment();
      const before = payloads.filter(isAlive);
      await agent.kill('SIGKILL');
      expect(before.every(isAlive)).toBe(true);
      agent = startAgent(url);
      await expectNothingLost(url, id);
    }
  });
});
