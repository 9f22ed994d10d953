import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AGENT_PROTOCOL, type Attempt } from '@trainyard/protocol';
import { afterAll, describe, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

/** Longer than a lease and the grace after it. */
const STILL_MS = AGENT_PROTOCOL.leaseMs + AGENT_PROTOCOL.lostGraceMs + 8000;

describe('a process that stands still for longer than a lease (37)', () => {
  const dirs: string[] = [];
  const processes: TrainyardProcess[] = [];
  afterAll(async () => {
    for (const each of processes.splice(0).reverse()) await each.kill('SIGTERM');
    for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
  });

  function start(args: readonly string[]): TrainyardProcess {
    const started = startTrainyard(args);
    processes.push(started);
    return started;
  }

  /** A job runs while the process stands still, and for a while after; it must be the first and only attempt. */
  async function standStill(stopped: TrainyardProcess, url: string): Promise<void> {
    const server = api(url);
    const { id } = await server.post<{ id: string }>('/api/v1/runs', {
      definition: { name: 'steady', stages: [{ name: 'train', job: { command: 'sleep 110; echo end' } }] },
    });
    const running = await until('the job runs', async () => {
      const [job] = (await server.tree(id)).children;
      return job?.status === 'running' && job;
    });
    process.kill(stopped.pid, 'SIGSTOP');
    // The wait is what is tested.
    await new Promise((resolve) => setTimeout(resolve, STILL_MS)).finally(() =>
      process.kill(stopped.pid, 'SIGCONT'),
    );
    await server.ended(id, 90_000).catch(async (error: unknown) => {
      const { items } = await server.get<{ items: object[] }>(`/api/v1/runs/${id}/events`);
      throw new Error(`${String(error)}; ${JSON.stringify(items)}`);
    });
    const { items } = await server.get<{ items: Attempt[] }>(`/api/v1/runs/${running.id}/attempts`);
    expect(items.map(({ status, number }) => `${number} ${status}`)).toEqual(['1 completed']);
    expect(await server.text(`/api/v1/runs/${running.id}/log`)).toBe('end\n');
  }

  function newDir(): string {
    const dir = mkdtempSync(join(tmpdir(), 'trainyard-still-'));
    dirs.push(dir);
    return dir;
  }

  it.concurrent('loses no job when it is the server', async () => {
    const dir = newDir();
    const server = start(['up', '--no-agent', '--port', '0', '--data-dir', join(dir, 'server')]);
    const [, url] = await server.line(/^ready (http:\S+)$/);
    start(['agent', '--url', url!, '--data-dir', join(dir, 'agent')]);
    await standStill(server, url!);
  });

  it.concurrent('loses no job when it is server and agent in one', async () => {
    const both = start(['up', '--port', '0', '--data-dir', newDir()]);
    const [, url] = await both.line(/^ready (http:\S+)$/);
    await standStill(both, url!);
  });
});
