import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelCheckpoint, RunTree } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../support/api.ts';
import { stageOf, startPlatform, type TestPlatform } from '../support/platform.ts';

const support = join(import.meta.dirname, '../support');
let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
  platform.write('reviews.jsonl', Array.from({ length: 8 }, (_, id) => `{"id":${id}}\n`).join(''));
});
afterAll(() => platform.stop());

/** The four tasks with their names and params in the older system, for one training job. */
const tasks = (job_uuid: string) => [
  {
    name: 'prepare',
    task: 'preprocess_dataset',
    params: {
      dataset_uuid: './reviews.jsonl',
      preprocessing_config: { split: { train: 0.5, val: 0.5 }, output: { name: job_uuid, dir: job_uuid } },
    },
  },
  { name: 'train', task: 'train_model', params: { job_uuid, config: { seed: 1, losses: [0.4, 0.1, 0.3] } } },
  { name: 'judge', task: 'run_evaluation', params: { job_uuid, checkpoint_path: 'best' } },
  { name: 'clean', task: 'cleanup_checkpoints', params: { job_uuid, keep_best_n: 1 } },
];

const createJob = (name: string) =>
  api(platform.url).post('/api/v1/jobs', {
    definition: {
      name,
      command: ['node', join(support, 'training-program.mjs')],
      evaluate: { command: ['node', join(support, 'evaluation-program.mjs')] },
      numGpus: 0,
    },
  });

async function checkpointsOf(job: string): Promise<ModelCheckpoint[]> {
  const path = `/api/v1/jobs/${job}/checkpoints?deleted=true`;
  return (await api(platform.url).get<{ items: ModelCheckpoint[] }>(path)).items;
}

/** Id of the attempt of a stage, after a look that an agent ran it, as this stage and once. */
async function attemptOf(run: RunTree, stage: string): Promise<string> {
  const { items: agents } = await api(platform.url).get<{ items: { id: string }[] }>('/api/v1/agents');
  const attempts = await platform.attempts(run, stage);
  expect(attempts).toHaveLength(1);
  const { id, agentId, runId, startedAt, status } = attempts[0]!;
  expect({ agentId, runId, status }).toEqual({
    agentId: agents[0]!.id,
    runId: stageOf(run, stage).id,
    status: 'completed',
  });
  expect(startedAt).not.toBeNull();
  return id;
}

async function expectEffects(job: string): Promise<void> {
  expect(existsSync(join(platform.dir, job, `${job}-train.jsonl`))).toBe(true);
  const checkpoints = await checkpointsOf(job);
  const kept = checkpoints.filter(({ deletedAt }) => deletedAt === null);
  expect(checkpoints).toHaveLength(3);
  expect(kept).toMatchObject([{ step: 1, metrics: { eval_loss: 0.1, accuracy: 0.5 } }]);
  for (const { path, deletedAt } of checkpoints) expect(existsSync(path)).toBe(deletedAt === null);
}

describe('the four built-in tasks', () => {
  it('run in one pipeline, each recorded with an attempt of its own', async () => {
    await createJob('together');
    const chain = tasks('together').map((task, at, all) => ({
      ...task,
      depends_on: at === 0 ? [] : [all[at - 1]!.name],
    }));
    const run = await platform.ended({ name: 'together', stages: chain });
    expect(run).toMatchObject({ status: 'completed', error: null });
    const ids = await Promise.all(chain.map(({ name }) => attemptOf(run, name)));
    expect(new Set(ids).size).toBe(4);
    await expectEffects('together');
  });

  it('run one by one, with no stage before or after them', async () => {
    await createJob('alone');
    for (const task of tasks('alone')) {
      const run = await platform.ended([task]);
      expect(run).toMatchObject({ status: 'completed', error: null });
      await attemptOf(run, task.name);
    }
    await expectEffects('alone');
  });
});
