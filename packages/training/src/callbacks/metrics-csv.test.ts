import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Program } from '../testing/program.ts';
import { MetricsCsv } from './metrics-csv.ts';

const dir = mkdtempSync(join(tmpdir(), 'trainyard-csv-'));
afterAll(() => rmSync(dir, { recursive: true }));

it('has a row for each epoch and one for the run, with nan where a metric was not recorded', async () => {
  const path = join(dir, 'logs', 'metrics.log');
  const program = new Program(
    async (p) => {
      await p.epoch(0, () => p.epochMetrics.set('train_loss', 0.5));
      await p.epoch(1, () => {
        p.epochMetrics.set('train_loss', Number.NaN);
        p.epochMetrics.set('f1', [0.25, 0.75]);
      });
      p.runMetrics.set('f1', 0.75);
    },
    { metrics: { f1: { goal: 'max' } }, callbacks: [new MetricsCsv(path)] },
  );
  await program.run();
  expect(readFileSync(path, 'utf8')).toBe(
    'row,epoch,train_loss,f1\nEPOCH,0,0.5,nan\nEPOCH,1,nan,0.5\nFINAL,,nan,0.75\n',
  );
});
