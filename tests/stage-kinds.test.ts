import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { STAGE_KINDS, type StageKind } from '@trainyard/protocol';
import { expect, it } from 'vitest';

/** For each kind of stage the end-to-end test of what it does, with an effect that can be seen from outside. */
const EFFECTS: Readonly<Record<StageKind, readonly [file: string, title: string]>> = {
  job: [
    'multi-layer-pipeline',
    'gives each of three layers its own params and those of the pipeline, and nothing of the layer before',
  ],
  pipeline: [
    'nested-dags',
    'eight side by side, ten levels deep and eight wide at the bottom, complete with one slot',
  ],
  http: ['http-stage', 'sends what the definition says and hands status, headers and body on'],
  function: ['function-stage', 'calls the function with arguments and a context, and hands its value on'],
  approval: ['approval', 'ends commands that wait with exit code 12, and is decided once'],
  train_model: [
    'training-stages',
    'runs the program of its job with the merged config, and records metrics and checkpoints',
  ],
  run_evaluation: [
    'training-stages',
    'hands over checkpoint and dataset, and stores the numbers at the checkpoint',
  ],
  preprocess_dataset: [
    'preprocess-stage',
    'reads a file, writes the parts and records them as dataset versions',
  ],
  cleanup_checkpoints: ['training-stages', 'keeps the best by the metric: files and rows agree'],
  select_best: ['sweep', 'tries all settings, and hands the best one on'],
};

it('has an end-to-end test for every kind of stage', () => {
  expect(Object.keys(EFFECTS).sort()).toEqual([...STAGE_KINDS].sort());
});

it.each(Object.entries(EFFECTS))('knows the end-to-end test of %s', (kind, [file, title]) => {
  const text = readFileSync(join(import.meta.dirname, 'end-to-end', `${file}.test.ts`), 'utf8');
  // Not one that is skipped: those are written otherwise.
  expect(text).toContain(`it('${title}', async () => {`);
  expect(text).toMatch(kind === 'job' ? /\bjob: \{/ : new RegExp(`\\b${kind}\\b`));
});
