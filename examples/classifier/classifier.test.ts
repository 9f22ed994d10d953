import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { api, flatten } from '../../tests/support/api.ts';
import { startPlatform, type TestPlatform } from '../../tests/support/platform.ts';

const dir = mkdtempSync(join(tmpdir(), 'trainyard-classifier-'));
let platform: TestPlatform | undefined;
afterAll(async () => {
  await platform?.stop();
  rmSync(dir, { recursive: true });
});

it('trains by itself, with its metrics in files', () => {
  const env = {
    ...process.env,
    PLATFORM_METRICS_DIR: dir,
    TRAINYARD_RUN_ID: 'alone',
    TRAINYARD_PARAMS: undefined,
  };
  const printed = execFileSync(process.execPath, [join(import.meta.dirname, 'train.ts')], {
    env,
    encoding: 'utf8',
  });
  expect(printed).toMatch(/^run started\nepoch 0, step 0: train_loss=\S+ val_loss=\S+ val_acc=\S+\n/);
  expect(printed).toMatch(/run: test_acc=0\.9\d* confusion=300\nrun (completed|stopped)/);
  const lines = readFileSync(join(dir, 'alone_metrics.jsonl'), 'utf8').trimEnd().split('\n');
  expect(lines).toHaveLength(6);
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
