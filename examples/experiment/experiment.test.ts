import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { startPlatform, type TestPlatform } from '../../tests/support/platform.ts';

const root = mkdtempSync(join(tmpdir(), 'trainyard-experiment-'));
let platform: TestPlatform | undefined;
afterAll(async () => {
  await platform?.stop();
  rmSync(root, { recursive: true });
});

it('runs as its README says: five runs of three trials, and their results', async () => {
  const dir = join(root, 'points');
  cpSync(import.meta.dirname, dir, { recursive: true, filter: (path) => !path.includes('workspace') });
  symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
  platform = await startPlatform(2);
  const { code, stderr } = await platform.trainyard('experiment', 'run', dir);
  expect(code, stderr).toBe(0);
  const shown = await platform.trainyard('experiment', 'results', dir, '--metric', 'val_acc', '--json');
  const { trials } = JSON.parse(shown.stdout) as {
    trials: { name: string; metrics: Record<string, { mean: number; values: number[] }> }[];
  };
  expect(trials.map(({ name, metrics }) => [name, metrics['val_acc']!.values.length])).toEqual([
    ['mean', 1],
    ['logistic-0', 2],
    ['logistic-1', 2],
  ]);
  for (const { metrics } of trials) expect(metrics['val_acc']!.mean).toBeGreaterThan(0.85);
  const config = JSON.parse(
    readFileSync(join(dir, 'workspace/logistic-1/logistic-1-1/configs/config.json'), 'utf8'),
  ) as object;
  expect(config).toMatchObject({
    repeat: 1,
    settings: { pipeline: { type: 'logistic', rate: 0.3, epochs: 8 } },
  });
});
