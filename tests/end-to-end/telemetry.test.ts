import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, createAgent } from '@trainyard/agent';
import { createClient } from '@trainyard/client';
import { type RunningServer, startServer } from '@trainyard/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

let dir: string;
let server: RunningServer;
let agent: Agent;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-telemetry-'));
  server = await startServer({ dataDir: join(dir, 'data'), logLevel: 'error' });
  agent = createAgent({
    url: server.url,
    token: server.agentToken,
    dataDir: join(dir, 'agent'),
    gpus: ['GPU-aaaa', 'GPU-bbbb'],
    timing: { telemetryMs: 200 },
    log: quiet,
  });
  await agent.start();
});
afterAll(async () => {
  await agent?.stop();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe('what an agent sees of its machine', () => {
  it('is there as metrics of the job beside its own, and with the agent', async () => {
    const { post, tree } = api(server.url);
    const client = createClient({ url: server.url });
    // It ends when it has been seen.
    const command = 'until [ -e seen ]; do sleep 0.05; done; echo "$CUDA_VISIBLE_DEVICES"';
    const job = { command, workingDir: dir, resources: { gpus: 1 } };
    const definition = { name: 'watched', stages: [{ name: 'train', job }] };
    const { id } = await post<{ id: string }>('/api/v1/runs', { definition });
    const runId = (await tree(id)).children[0]!.id;
    const latest = await until('a look at the machine', async () => {
      const metrics = await client.getLatestMetrics(runId);
      return metrics.some(({ key, count }) => key === 'system/process/cpu_percent' && count >= 1) && metrics;
    });
    const keys = latest.map(({ key }) => key);
    expect(keys.every((key) => key.startsWith('system/'))).toBe(true);
    expect(keys).toEqual(
      expect.arrayContaining([
        'system/cpu/utilization_percent',
        'system/memory/used_percent',
        'system/disk/used_percent',
        'system/network/received_bytes_per_second',
        'system/process/memory_bytes',
        'system/process/count',
      ]),
    );
    writeFileSync(join(dir, 'seen'), '');
    await until('the end of the run', async () => (await tree(id)).status === 'completed');
    const log = Buffer.from((await client.readLog(runId)).bytes).toString();
    expect(log).toMatch(/^GPU-(aaaa|bbbb)\n$/);
    const [info] = await client.listAgents();
    expect(info).toMatchObject({ gpus: 2 });
  });
});
