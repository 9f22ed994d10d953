import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentInfo } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, until } from '../support/api.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'trainyard-up-options-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('the agent inside "trainyard up"', () => {
  let up: TrainyardProcess;
  let url: string;
  beforeAll(async () => {
    const machine =
      '--gpus GPU-1,GPU-2 --queue training:1 --queue short:4 --label zone=lab --label disk=fast --telemetry 1s';
    up = startTrainyard(['up', '--port', '0', '--data-dir', join(dir, 'data'), ...machine.split(' ')]);
    url = (await up.line(/^ready (http:\S+)$/))[1]!;
  });
  afterAll(() => up.kill('SIGTERM'));
  const agents = async () => (await api(url).get<{ items: AgentInfo[] }>('/api/v1/agents')).items;

  it('has the GPUs, queues, labels and telemetry that were asked for', async () => {
    expect((await agents())[0]).toMatchObject({
      gpus: 2,
      slots: 5,
      queues: ['training', 'short'],
      labels: { zone: 'lab', disk: 'fast' },
    });
    const job = {
      command: 'echo $CUDA_VISIBLE_DEVICES > given; until [ -e go ]; do sleep 0.05; done',
      workingDir: dir,
      queue: 'training',
      labels: { zone: 'lab' },
      resources: { gpus: 2 },
    };
    const { id } = await api(url).post<{ id: string }>('/api/v1/runs', {
      definition: { name: 'gpus', stages: [{ name: 's', job }] },
    });
    const given = await until('the GPUs', async () => {
      try {
        return readFileSync(join(dir, 'given'), 'utf8').trim();
      } catch {
        return undefined;
      }
    });
    expect(given).toBe('GPU-1,GPU-2');
    const run = (await api(url).tree(id)).children[0]!.id;
    // A look each second, where the default is one in ten.
    await until(
      'three looks at the machine',
      async () => {
        const found = await api(url).get<{ items: { key: string; count: number }[] }>(
          `/api/v1/runs/${run}/metrics/latest`,
        );
        return found.items.some(({ key, count }) => key.startsWith('system/cpu') && count >= 3);
      },
      9000,
    );
  });

  it('is listed beside workers of the older API, of whose GPUs nothing was told', async () => {
    const worker = { agent_id: 'agent_old', max_concurrency: 1 };
    await api(url).post('/api/workers/register', worker);
    await api(url).post('/api/workers/register', { ...worker, agent_id: 'agent_two', gpu_count: 2 });
    const gpus = new Map((await agents()).map((agent) => [agent.id, agent.gpus]));
    expect([gpus.get('agent_old'), gpus.get('agent_two')]).toEqual([null, 2]);
    const list = startTrainyard(['agents', 'list', '--url', url]);
    const [, shown] = await list.line(/^agent_old .*? 0\/1 +(\S+)/);
    expect(shown).toBe('any');
    await list.exited;
  });
});

describe('options of an agent', () => {
  it('that cannot be used are a usage error of "up" as of "agent"', async () => {
    const lines: [string, RegExp][] = [
      ['up --port 0 --telemetry 999ms', /--telemetry is "999ms"; the shortest .* is 1s/],
      ['agent --url http://127.0.0.1:9 --telemetry 1ms', /--telemetry is "1ms"; the shortest .* is 1s/],
      ['up --port 0 --no-agent --gpus 1 --label a=b', /--gpus, --label cannot be used with --no-agent/],
    ];
    await Promise.all(
      lines.map(async ([line, message]) => {
        const command = startTrainyard([...line.split(' '), '--data-dir', join(dir, 'none')]);
        expect((await command.exited).code).toBe(2);
        expect(command.stderr()).toMatch(message);
      }),
    );
  });
});
