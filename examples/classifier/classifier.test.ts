import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { latestCheckpoint } from '@trainyard/training';
import { afterAll, expect, it } from 'vitest';
import { api, flatten } from '../../tests/support/api.ts';
import { startPlatform, type TestPlatform } from '../../tests/support/platform.ts';

const dir = mkdtempSync(join(tmpdir(), 'trainyard-classifier-'));
let platform: TestPlatform | undefined;
afterAll(async () => {
  await platform?.stop();
  rmSync(dir, { recursive: true });
});

/** Starts it by itself, in a directory of its own. */
function start(name: string, params: Record<string, number> = {}) {
  const home = join(dir, name);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'params.json'), JSON.stringify(params));
  const env = {
    ...process.env,
    PLATFORM_METRICS_DIR: home,
    TRAINYARD_RUN_ID: 'alone',
    TRAINYARD_ATTEMPT_DIR: undefined,
    TRAINYARD_RESUME_FROM: undefined,
    TRAINYARD_PARAMS: join(home, 'params.json'),
  };
  const child = spawn(process.execPath, [join(import.meta.dirname, 'train.ts')], { cwd: home, env });
  let printed = '';
  child.stdout.on('data', (part) => {
    printed += String(part);
  });
  const ended = once(child, 'exit').then(([code]) => ({ code: code as number | null, printed }));
  return { child, home, ended };
}

function metricsOf(home: string): unknown[] {
  const lines = readFileSync(join(home, 'alone_metrics.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => ({ ...JSON.parse(line), timestamp: 0 }));
}

async function lastModel(home: string): Promise<unknown> {
  const last = await latestCheckpoint(join(home, 'checkpoints'));
  return JSON.parse(readFileSync(last!.path, 'utf8'));
}

it('trains by itself, with its metrics in files', async () => {
  const { home, ended } = start('alone');
  const { code, printed } = await ended;
  expect(code).toBe(0);
  expect(printed).toMatch(/^run started\nepoch 0, step 0: train_loss=\S+ val_loss=\S+ val_acc=\S+\n/);
  expect(printed).toMatch(/run: test_acc=0\.9\d* confusion=300\nrun (completed|stopped)/);
  expect(metricsOf(home)).toHaveLength(6);
});

it('goes on after kill -9 in the middle of an epoch as if it had not been killed, bit for bit', async () => {
  const whole = start('whole');
  expect((await whole.ended).code).toBe(0);
  const killed = start('killed', { batchMs: 15 });
  const isInEpoch = () =>
    existsSync(join(killed.home, 'checkpoints')) &&
    readdirSync(join(killed.home, 'checkpoints')).some((name) => /^epoch-1-batch-\d+\.json$/.test(name));
  await expect.poll(isInEpoch, { timeout: 20_000, interval: 5 }).toBe(true);
  killed.child.kill('SIGKILL');
  await killed.ended;
  const before = metricsOf(killed.home);
  expect(before).toEqual(metricsOf(whole.home).slice(0, 1));
  const resumed = start('killed');
  expect((await resumed.ended).code).toBe(0);
  expect(metricsOf(killed.home)).toEqual(metricsOf(whole.home));
  expect(await lastModel(killed.home)).toEqual(await lastModel(whole.home));
});

it('trains as a stage: its metrics are those of the run', async () => {
  platform = await startPlatform(1);
  const file = join(import.meta.dirname, 'pipeline.yaml');
  const { code, stderr } = await platform.trainyard('run', file, '--param', 'epochs=3');
  expect(code, stderr).toBe(0);
  const { items } = await api(platform.url).get<{ items: { id: string }[] }>('/api/v1/runs');
  const train = flatten(await api(platform.url).tree(items[0]!.id)).find(({ name }) => name === 'train')!;
  const shown = await platform.trainyard('runs', 'metrics', train.id, '--json');
  const metrics = JSON.parse(shown.stdout) as Record<string, { step: number; value: number }[]>;
  expect(metrics['val_acc']!.map(({ step }) => step)).toEqual([0, 1, 2]);
  expect(metrics['val_acc']!.at(-1)!.value).toBeGreaterThan(0.9);
  expect(metrics['confusion/0/0']).toHaveLength(1);
});
