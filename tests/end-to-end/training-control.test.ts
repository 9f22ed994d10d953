import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RunTree } from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { api, flatten, until } from '../support/api.ts';
import { startPlatform, type TestPlatform } from '../support/platform.ts';

const CLASSIFIER = resolve(import.meta.dirname, '../../examples/classifier');
let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform(1);
});
afterAll(() => platform.stop());

/** The classifier of the examples, which takes no part in its control but by the SDK; long enough to be told things. */
async function start(): Promise<{ id: string; train: RunTree }> {
  const { id } = await api(platform.url).post<{ id: string }>('/api/v1/runs', {
    baseDir: CLASSIFIER,
    definition: {
      name: 'controlled',
      stages: [
        {
          name: 'train',
          // It learns so slowly that it does not stop by itself within a minute.
          params: { epochs: 1000, batchMs: 10, learning_rate: 0.003 },
          job: { command: ['node', 'train.ts'], grace: '20s' },
        },
      ],
    },
  });
  const train = await until('the first epochs', async () => {
    const run = flatten(await api(platform.url).tree(id)).find(({ name }) => name === 'train')!;
    return (await steps(run.id)) >= 1 && run.status === 'running' ? run : undefined;
  });
  return { id, train };
}

async function steps(runId: string): Promise<number> {
  const { items } = await api(platform.url).get<{ items: { key: string; count: number }[] }>(
    `/api/v1/runs/${runId}/metrics/latest`,
  );
  return items.find(({ key }) => key === 'train_loss')?.count ?? 0;
}

const statusOf = async (runId: string) =>
  (await api(platform.url).get<{ status: string }>(`/api/v1/runs/${runId}`)).status;

it('a program that only uses the SDK is paused and resumed, and takes, refuses and answers what it is asked', async () => {
  const { id, train } = await start();
  const paused = await platform.trainyard('runs', 'pause', train.id, '--mode', 'cooperative');
  expect(paused.stdout, paused.stderr).toBe(`${train.id} paused\n`);
  const events = await platform.trainyard('runs', 'events', id, '--json');
  expect(events.stdout).toContain('"cooperative"');
  const before = await steps(train.id);
  const resumed = await platform.trainyard('runs', 'resume', train.id);
  expect(resumed.stdout, resumed.stderr).toBe(`${train.id} running\n`);
  await until('another epoch', async () => (await steps(train.id)) > before);

  const changed = await platform.trainyard(
    'runs',
    'params',
    id,
    'learning_rate=0.002',
    'batchSize=8',
    '--save',
  );
  expect(changed.stdout.split('\n').slice(0, 2)).toEqual([
    'batchSize=8 refused: only learning_rate may change while it trains',
    'learning_rate=0.002 accepted',
  ]);
  expect(changed.stdout).toMatch(/trainyard\.save="\S+" accepted\n$/);
  const refused = await platform.trainyard('runs', 'params', id, '--stage', 'nowhere', 'a=1');
  expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('has no stage "nowhere"') });

  const stopped = await platform.trainyard('runs', 'params', id, '--stop', 'good enough');
  expect(stopped.stdout, stopped.stderr).toBe('trainyard.stop="good enough" accepted\n');
  const tree = await api(platform.url).ended(id);
  expect(tree.status).toBe('completed');
  const log = await platform.log(tree, 'train');
  expect(log).toContain('run stopped (good enough)');
  const late = await platform.trainyard('runs', 'params', train.id, 'learning_rate=1');
  expect(late).toMatchObject({
    code: expect.any(Number),
    stderr: expect.stringContaining('only the params of one that runs'),
  });
  const listed = await platform.trainyard('runs', 'params', train.id, '--json');
  expect(JSON.parse(listed.stdout).items).toMatchObject([
    { revision: 2, state: 'answered', accepted: { 'trainyard.stop': 'good enough', learning_rate: 0.002 } },
    { revision: 1, state: 'answered', rejected: { batchSize: expect.any(String) } },
  ]);
  const { items } = await api(platform.url).get<{ items: { path: string }[] }>(
    `/api/v1/runs/${train.id}/checkpoints`,
  );
  expect(items.some(({ path }) => existsSync(path))).toBe(true);
});

it('a program that only uses the SDK gives its place back, and another attempt goes on in its epoch', async () => {
  const { id, train } = await start();
  const released = await platform.trainyard('runs', 'pause', train.id, '--mode', 'release');
  expect(released.code, released.stderr).toBe(0);
  await until('the place to be free', async () => (await statusOf(train.id)) === 'paused');
  const before = await steps(train.id);
  await platform.trainyard('runs', 'resume', train.id);
  await until('another epoch', async () => (await steps(train.id)) > before);
  await platform.trainyard('runs', 'params', id, '--stop', 'seen enough');
  const tree = await api(platform.url).ended(id);
  const attempts = await platform.attempts(tree, 'train');
  expect(attempts.map(({ status }) => status)).toEqual(['released', 'completed']);
  // The second went on behind the first: no epoch was recorded twice, none is missing.
  const shown = await platform.trainyard('runs', 'metrics', train.id, '--json');
  const recorded = (JSON.parse(shown.stdout) as Record<string, { step: number }[]>)['val_loss']!.map(
    ({ step }) => step,
  );
  expect(recorded).toEqual(Array.from({ length: recorded.length }, (_, epoch) => epoch));
  expect(readdirSync(CLASSIFIER)).not.toContain('checkpoints');
  expect(readdirSync(CLASSIFIER)).not.toContain('platform_metrics');
});
