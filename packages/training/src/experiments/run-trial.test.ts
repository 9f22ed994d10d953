import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrialConfig } from '@trainyard/protocol';
import { afterAll, expect, it } from 'vitest';
import { Pipeline } from '../lifecycle/pipeline.ts';
import type { RunOutcome } from '../lifecycle/pipeline-options.ts';
import { Registry, UnknownType } from './registry.ts';
import { type MadeForTrial, readTrialConfig, runTrial } from './run-trial.ts';

const dir = mkdtempSync(join(tmpdir(), 'trainyard-trial-'));
afterAll(() => rmSync(dir, { recursive: true }));

class Steps extends Pipeline<{ epochs: number }, never, number> {
  protected async train(): Promise<number> {
    for (let n = 0; n < this.params.epochs; n += 1) {
      await this.epoch(n, () => this.epochMetrics.set('val_loss', 1));
    }
    return this.params.epochs;
  }
}

const pipelines = () =>
  new Registry<{ run(): Promise<RunOutcome<number>> }, MadeForTrial>('pipeline').register(
    'steps',
    ({ epochs = 2 }, { trackers, callbacks }) =>
      new Steps({ params: { epochs: Number(epochs) }, trackers, callbacks, handleSignals: false }),
  );

const config = (settings: TrialConfig['settings']): TrialConfig => ({
  experiment: { name: 'e', id: null, desc: null, settings: {} },
  trial: { name: 'a', id: null },
  ...{ repeat: 1, seed: 5, device: 'cpu', verbose: false, debug: false, args: {}, settings },
  trackers: [
    { type: 'trainyard', directory: join(dir, 'metrics'), job: 'j' },
    { type: 'csv' },
    { type: 'resources' },
  ],
  workspace: join(dir, 'workspace'),
});

it('makes trackers, callbacks and the pipeline by their types, and runs it', async () => {
  const callbacks = [{ type: 'early_stopping', patience: 2 }, { type: 'metrics_csv' }];
  const outcome = await runTrial(
    { pipelines: pipelines() },
    config({ pipeline: { type: 'steps', epochs: 9 }, callbacks }),
  );
  expect(outcome).toMatchObject({ status: 'stopped' });
  expect(readFileSync(join(dir, 'metrics/j_metrics.jsonl'), 'utf8').trim().split('\n')).toHaveLength(3);
  const level = join(dir, 'workspace/a/a-1');
  for (const left of ['artifacts/metrics.csv', 'artifacts/resources/summary.json', 'configs'])
    expect(existsSync(join(level, left)), left).toBe(true);
  expect(readFileSync(join(level, 'logs/metrics.log'), 'utf8')).toMatch(/EPOCH/);
});

it('says what a config lacks', async () => {
  await expect(runTrial({ pipelines: pipelines() }, config({}))).rejects.toThrow(
    '"settings.pipeline" is a mapping with a "type", not nothing.',
  );
  const callbacks = [{ type: 'early_stoping' }];
  await expect(
    runTrial({ pipelines: pipelines() }, config({ pipeline: { type: 'steps' }, callbacks })),
  ).rejects.toThrow(UnknownType);
});

it('reads a saved config, and refuses params of another kind', () => {
  const file = join(dir, 'config.json');
  writeFileSync(file, JSON.stringify(config({ lr: 1 })));
  expect(readTrialConfig(file)).toMatchObject({ seed: 5, settings: { lr: 1 } });
  writeFileSync(file, JSON.stringify({ epochs: 3 }));
  expect(() => readTrialConfig(file)).toThrow(/is no config of an experiment's trial: "experiment"/);
});
