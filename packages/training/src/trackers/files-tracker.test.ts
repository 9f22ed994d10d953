import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseMetricLine } from '@trainyard/protocol';
import { afterAll, expect, it } from 'vitest';
import { Program } from '../testing/program.ts';
import { filesTracker } from './files-tracker.ts';

const dir = mkdtempSync(join(tmpdir(), 'trainyard-files-'));
afterAll(() => rmSync(dir, { recursive: true }));

it('writes metrics that Trainyard reads, with their steps, parts and values that are not finite', async () => {
  const env = { PLATFORM_METRICS_DIR: join(dir, 'metrics'), TRAINYARD_RUN_ID: 'run_1' };
  const program = new Program(
    async (p) => {
      await p.epoch(2, async () => {
        await p.batch(5, () => p.batchMetrics.set('train_loss', 0.5));
        p.epochMetrics.set('val_loss', Number.NaN);
        p.epochMetrics.set('val_acc', { cat: 1, dog: 0 });
      });
      p.track('learning_rate', 0.1, { step: 137 });
    },
    { trackers: [filesTracker({ env })] },
  );
  await program.run();
  const lines = readFileSync(join(dir, 'metrics', 'run_1_metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  const read = lines.map((line) => {
    const result = parseMetricLine(line);
    if (!result.ok) throw new Error(result.problem);
    return {
      step: result.line.step,
      ...Object.fromEntries(result.line.values.map(({ key, value }) => [key, value])),
    };
  });
  expect(read).toEqual([
    { step: 5, 'batch/train_loss': 0.5 },
    { step: 2, val_loss: Number.NaN, val_acc: 0.5, 'val_acc/cat': 1, 'val_acc/dog': 0 },
    { step: 137, learning_rate: 0.1 },
  ]);
  const written = (name: string): unknown => JSON.parse(readFileSync(join(dir, 'metrics', name), 'utf8'));
  expect(written('run_1_status.json')).toEqual({ status: 'completed', step: 2, error: null });
});
