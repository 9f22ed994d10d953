import type { RunTree } from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { flatten } from '../support/api.ts';
import { stageOf, startPlatform, type TestPlatform } from '../support/platform.ts';

/** Records a curve that its settings decide, one point at a time, as long as nobody ends it. */
const PROGRAM = `
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
const { lr, depth = 1, steps, gate } = JSON.parse(readFileSync(process.env.TRAINYARD_PARAMS, 'utf8'));
const file = process.env.PLATFORM_METRICS_DIR + '/' + process.env.TRAINYARD_RUN_ID + '_metrics.jsonl';
for (let step = 0; step <= steps; step += 1) {
  appendFileSync(file, JSON.stringify({ step, loss: Math.abs(lr - 0.1) * 10 + 1 / depth / (step + 1) }) + '\\n');
  // One that is worse than others lives until it is ended.
  if (step === steps && lr > gate) setInterval(() => {}, 1000);
}
writeFileSync(process.env.TRAINYARD_OUTPUTS, JSON.stringify({ model: 'model-' + lr }));
`;

let platform: TestPlatform;
beforeAll(async () => {
  platform = await startPlatform(2);
  platform.write('trial.mjs', PROGRAM);
});
afterAll(() => platform.stop());

const trial = (params: object) => ({ params, job: { command: ['node', 'trial.mjs'], grace: '1s' } });
const trialsOf = (tree: RunTree, stage: string): RunTree[] => stageOf(tree, `${stage}/trials`).children;

// Its stage `best` is of kind select_best.
it('tries all settings, and hands the best one on', async () => {
  const sweep = {
    params: { lr: [0.3, 0.1, 0.5], depth: [1, 2] },
    ...{ method: 'grid', metric: 'loss', trial: trial({ steps: 2, gate: 9 }) },
  };
  const command = 'echo ${{ stages.tune.outputs.best.item.lr }} ${{ stages.tune.outputs.best.item.depth }}';
  const tree = await platform.ended({
    name: 'grid',
    stages: [
      { name: 'tune', sweep },
      { name: 'use', dependsOn: ['tune'], job: { command } },
    ],
  });
  expect(tree.status).toBe('completed');
  expect(await platform.log(tree, 'use')).toBe('0.1 2\n');
  const { outputs } = stageOf(tree, 'tune/best') as { outputs: Record<string, unknown> };
  const best = trialsOf(tree, 'tune')[3]!;
  expect(outputs).toMatchObject({
    ...{ run: best.id, path: 'tune/trials[3]', item: { lr: 0.1, depth: 2 }, metric: 'loss' },
    ...{ value: expect.closeTo(1 / 6), step: 2, compared: 6 },
  });
  expect((outputs['runs'] as { item: object }[])[1]!.item).toEqual({ lr: 0.1, depth: 1 });
});

it('ends trials that are worse than others were at the same step, and no others', async () => {
  // Two at a time: those that are compared first are the good ones.
  const sweep = {
    params: { lr: [0.1, 0.11, 0.9, 0.8] },
    ...{ method: 'grid', metric: 'loss', maxParallel: 2, earlyStopping: { minSteps: 4, factor: 2 } },
    trial: trial({ steps: 5, gate: 0.5 }),
  };
  const tree = await platform.ended({ name: 'halving', deadline: '60s', stages: [{ name: 'tune', sweep }] });
  expect(tree.status).toBe('completed');
  const trials = trialsOf(tree, 'tune');
  expect(trials.slice(2).map(({ status }) => status)).toEqual(['stopped', 'stopped']);
  expect(trials[2]!.reason).toMatch(
    /^loss was 8\.\d+ at step 4; one of 2 goes on, and of [34] trials so far those had at most 0\.\d+$/,
  );
  expect(trials.slice(0, 2).some(({ status }) => status === 'completed')).toBe(true);
  expect(stageOf(tree, 'tune/best').outputs).toMatchObject({ item: { lr: 0.1 } });
});

it('fails only when no trial has done well', async () => {
  const failing = { command: 'exit 3' };
  const sweep = { params: { x: [1, 2] }, method: 'grid', metric: 'loss', trial: { job: failing } };
  const tree = await platform.ended({ name: 'none', stages: [{ name: 'tune', sweep }] });
  expect(tree.status).toBe('failed');
  const some = { command: 'if [ ${{ item.trial.x }} = 2 ]; then exit 3; fi' };
  const partly = await platform.ended({
    name: 'some',
    stages: [{ name: 'tune', sweep: { ...sweep, trial: { job: some } } }],
  });
  expect(flatten(partly).map(({ path, status }) => `${path} ${status}`)).toEqual(
    expect.arrayContaining(['tune/trials completed', 'tune/best failed']),
  );
  expect(stageOf(partly, 'tune/best').error).toMatchObject({
    code: 'no_metric',
    message: 'no run of stage "trials" that ended well has a finite value of the metric "loss"',
  });
});
