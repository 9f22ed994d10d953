import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runProgram, runTrainyard } from '../support/run-trainyard.ts';

interface Shown {
  readonly name: string;
  readonly status: string;
  readonly outputs: Record<string, unknown> | null;
  readonly children: readonly Shown[];
}

describe('the demo', () => {
  const dir = mkdtempSync(join(tmpdir(), 'trainyard-demo-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('trains on real digits, ends 0 and chooses a model with at least 0.92 accuracy', {
    timeout: 180_000,
  }, async () => {
    // As README has it, through npm: what npm itself writes must not get into the document.
    const demo = await runProgram('npm', ['run', 'demo', '--', '--exit', '--json', '--data-dir', dir]);
    expect(demo.stderr).not.toMatch(/\n\s+at /);
    expect(demo.code).toBe(0);
    expect(chosenAccuracy(demo.stdout)).toBeGreaterThanOrEqual(0.92);
  });

  it('leaves a run that can be read with no server running', async () => {
    const shown = await runTrainyard(['runs', 'show', '--json', '--data-dir', dir]);
    expect(shown.code).toBe(0);
    const tree = JSON.parse(shown.stdout) as Shown;
    const all = flatten(tree);
    expect(all.length).toBe(10);
    expect(all.every((run) => run.status === 'completed')).toBe(true);
    const text = await runTrainyard(['runs', 'show', '--data-dir', dir]);
    expect(text.stdout).toMatch(/sweep/);
    expect(text.stdout).toMatch(/digits.*[0-9a-f]{8}/);
    expect(text.stdout).toMatch(/sweep\/large, by epoch\n {2}epoch .*val_accuracy/);
    expect(text.stdout).toMatch(/\n {2}14 +0\./);
  });

  it('trains in Python too', { timeout: 240_000 }, async () => {
    const demo = await runTrainyard(['demo', '--python', '--exit', '--json', '--data-dir', dir]);
    expect(demo.code).toBe(0);
    expect(chosenAccuracy(demo.stdout)).toBeGreaterThanOrEqual(0.92);
  });
});

function chosenAccuracy(stdout: string): number {
  const result = JSON.parse(stdout) as { status: string; chosen: { accuracy: number } };
  expect(result.status).toBe('completed');
  return result.chosen.accuracy;
}

function flatten(run: Shown): Shown[] {
  return [run, ...run.children.flatMap(flatten)];
}
