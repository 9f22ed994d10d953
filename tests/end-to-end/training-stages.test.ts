import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ModelCheckpoint, RunTree, TrainingJob } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api } from '../support/api.ts';
import { stageOf, startPlatform, type TestPlatform } from '../support/platform.ts';
import { runProgram, runTrainyard } from '../support/run-trainyard.ts';

const support = resolve(import.meta.dirname, '../support');
const MAIN = resolve(import.meta.dirname, '../../packages/cli/src/main.ts');
let platform: TestPlatform;

beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

async function createJob(name: string, more: object = {}): Promise<TrainingJob> {
  const definition = {
    name,
    command: ['node', join(support, 'training-program.mjs')],
    evaluate: { command: ['node', join(support, 'evaluation-program.mjs')] },
    numGpus: 0,
    config: { seed: 1, losses: [0.5, 0.2, 0.4, 0.1], nested: { a: 1, b: 2 } },
    ...more,
  };
  return api(platform.url).post<TrainingJob>('/api/v1/jobs', { definition, baseDir: platform.dir });
}

const checkpointsOf = async (job: string, deleted = false) =>
  (
    await api(platform.url).get<{ items: ModelCheckpoint[] }>(
      `/api/v1/jobs/${job}/checkpoints?deleted=${deleted}`,
    )
  ).items;
const steps = (checkpoints: readonly ModelCheckpoint[]) => checkpoints.map(({ step }) => step).sort();
const one = (kind: string, given: object) => ({ name: kind, stages: [{ name: kind, [kind]: given }] });
const outputsOf = (run: RunTree) => run.children[0]!.outputs as Record<string, unknown>;

describe('train_model', () => {
  it('runs the program of its job with the merged config, and records metrics and checkpoints', async () => {
    const job = await createJob('first', { env: { MODE: 'full' } });
    const run = await platform.ended({
      name: 'train',
      params: { seed: { type: 'integer', default: 7 } },
      stages: [
        {
          name: 'train',
          train_model: {
            job: 'first',
            config: { seed: '${{ params.seed }}', nested: { a: null, c: [3] } },
          },
        },
      ],
    });
    expect(run.error).toBeNull();
    const train = stageOf(run, 'train');
    const { config, seen, cwd } = train.outputs as { config: object; seen: object; cwd: string };
    // Neither params of the pipeline nor anything injected is in there but the number of GPUs.
    const merged = { seed: 7, losses: [0.5, 0.2, 0.4, 0.1], nested: { b: 2, c: [3] }, num_gpus: 0 };
    expect(config).toEqual(merged);
    expect(train.params).toEqual(merged);
    expect(seen).toMatchObject({
      TRAINYARD_JOB_ID: job.id,
      TRAINYARD_JOB_NAME: 'first',
      TRAINYARD_RUN_ID: train.id,
      TRAINYARD_STAGE: 'train',
    });
    expect(cwd).toBe(platform.dir);
    const { get } = api(platform.url);
    const metrics = await get<Record<string, { step: number; value: number }[]>>(
      `/api/v1/runs/${train.id}/metrics?firstStep=0&lastStep=100`,
    );
    expect(metrics['total_loss']!.map(({ step, value }) => [step, value])).toEqual([
      [0, 0.5],
      [1, 0.2],
      [2, 0.4],
      [3, 0.1],
    ]);
    const [attempt] = await platform.attempts(run, 'train');
    expect(attempt!.progress).toEqual({ job_id: job.id, status: 'completed' });
    expect(attempt!.startedAt).not.toBeNull();
    const recorded = await checkpointsOf('first');
    expect(recorded.map(({ step }) => step)).toEqual([3, 2, 1, 0]);
    for (const checkpoint of recorded) {
      expect(checkpoint).toMatchObject({ jobId: job.id, runId: train.id, sizeBytes: 11, deletedAt: null });
      expect(existsSync(join(checkpoint.path, 'model.bin'))).toBe(true);
    }
    const ofRun = await get<{ items: ModelCheckpoint[] }>(`/api/v1/runs/${train.id}/checkpoints`);
    expect(ofRun.items).toEqual(recorded);
  });

  it('on a job that does not exist fails its stage and pipeline, and starts nothing', async () => {
    const run = await platform.ended({
      name: 'broken',
      stages: [
        { name: 'train', train_model: { job: 'missing' }, retry: { attempts: 2, backoff: '10ms' } },
        { name: 'after', dependsOn: ['train'], job: { command: 'true' } },
      ],
    });
    expect(run).toMatchObject({ status: 'failed', error: { code: 'job_not_found' } });
    expect(run.error!.message).toContain('there is no training job "missing"');
    expect(stageOf(run, 'train')).toMatchObject({ status: 'failed', startedAt: null, attempt: 2 });
    expect(stageOf(run, 'train').error!.message).not.toBe('');
    expect(stageOf(run, 'after').status).toBe('skipped');
    expect(await platform.attempts(run, 'train')).toEqual([]);
  });

  it('keeps the checkpoints of an attempt that failed, and goes on from the latest', async () => {
    await createJob('resumed', { checkpointDir: 'resumed' });
    const failed = await platform.ended(one('train_model', { job: 'resumed', config: { fail: true } }));
    expect(failed.status).toBe('failed');
    expect(await checkpointsOf('resumed')).toHaveLength(4);
    const again = await platform.ended(one('train_model', { job: 'resumed', checkpoint: 'latest' }));
    const { seen } = outputsOf(again) as { seen: Record<string, string> };
    expect(seen['TRAINYARD_CHECKPOINT']).toBe(join(platform.dir, 'resumed/step-3'));
    // The same directory: what is at a path is one checkpoint.
    const live = await checkpointsOf('resumed');
    expect(live).toHaveLength(4);
    expect(new Set(live.map(({ runId }) => runId))).toEqual(new Set([again.children[0]!.id]));
  });
});

describe('run_evaluation', () => {
  it('hands over checkpoint and dataset, and stores the numbers at the checkpoint', async () => {
    await createJob('judged');
    writeFileSync(join(platform.dir, 'eval.jsonl'), '{"x":1}\n{"x":2}\n{"x":3}\n');
    const run = await platform.ended({
      name: 'judge',
      stages: [
        { name: 'train', train_model: { job: 'judged' } },
        {
          name: 'best',
          dependsOn: ['train'],
          run_evaluation: { job: 'judged', checkpoint: 'best', dataset: './eval.jsonl' },
        },
        { name: 'latest', dependsOn: ['train'], run_evaluation: { job: 'judged', metric: 'unused' } },
        {
          name: 'worst',
          dependsOn: ['train'],
          run_evaluation: {
            job: 'judged',
            checkpoint: 'best',
            direction: 'max',
            command: 'echo "{\\"f1\\": 0.25}" > "$TRAINYARD_OUTPUTS"',
          },
        },
      ],
    });
    expect(run.error).toBeNull();
    expect(stageOf(run, 'best').outputs).toMatchObject({ weights: 'weights 1 3', metrics: { rows: 3 } });
    expect(stageOf(run, 'latest').outputs).toMatchObject({ weights: 'weights 1 3', metrics: { rows: 0 } });
    const byStep = new Map((await checkpointsOf('judged')).map((each) => [each.step, each.metrics]));
    expect(byStep.get(3)).toMatchObject({ eval_loss: 0.1, accuracy: 0.5 });
    expect(byStep.get(0)).toEqual({ eval_loss: 0.5, f1: 0.25 });
    expect(byStep.get(1)).toEqual({ eval_loss: 0.2 });
  });

  it('fails when there is no such checkpoint, dataset or program', async () => {
    await createJob('empty', { evaluate: undefined });
    const [none, path, dataset] = await Promise.all([
      platform.ended(one('run_evaluation', { job: 'empty' })),
      platform.ended(one('run_evaluation', { job: 'empty', checkpoint: 'somewhere' })),
      platform.ended(one('run_evaluation', { job: 'judged', dataset: 'unknown@abc' })),
    ]);
    expect(none.error).toMatchObject({ code: 'checkpoint_not_found' });
    expect(path.error).toMatchObject({ code: 'no_evaluation' });
    expect(dataset.error).toMatchObject({ code: 'dataset_not_found' });
  });
});

describe('cleanup_checkpoints', () => {
  it('keeps the best by the metric: files and rows agree', async () => {
    await createJob('cleaned');
    await platform.ended(one('train_model', { job: 'cleaned' }));
    const before = await checkpointsOf('cleaned');
    const dry = await platform.ended(
      one('cleanup_checkpoints', { job: 'cleaned', keepBest: 2, dryRun: true }),
    );
    expect(outputsOf(dry)).toMatchObject({ dryRun: true, counts: { deleted: 2, kept: 2 } });
    expect(await checkpointsOf('cleaned')).toEqual(before);
    const run = await platform.ended(
      {
        name: 'clean',
        params: { n: { type: 'integer', default: 3 } },
        stages: [{ name: 'clean', cleanup_checkpoints: { job: 'cleaned', keepBest: '${{ params.n }}' } }],
      },
      { n: 2 },
    );
    expect(outputsOf(run)).toMatchObject({
      counts: { deleted: 2, kept: 2, unknown: 0, refused: 0, bytes: 22 },
    });
    expect(steps(await checkpointsOf('cleaned'))).toEqual([1, 3]);
    for (const { path, deletedAt } of await checkpointsOf('cleaned', true)) {
      expect(existsSync(path)).toBe(deletedAt === null);
    }
    // Again: there is nothing left to delete.
    const again = await platform.ended(one('cleanup_checkpoints', { job: 'cleaned', keepBest: 2 }));
    expect(outputsOf(again)).toMatchObject({ counts: { deleted: 0, kept: 2 } });
  });

  it('judges by direction, keeps the last, and leaves what has no value of the metric', async () => {
    await createJob('mixed', { config: { seed: 1, losses: [0.5, null, 0.4, 0.1, null] } });
    await platform.ended(one('train_model', { job: 'mixed' }));
    const kept = await platform.ended(
      one('cleanup_checkpoints', { job: 'mixed', keepBest: 1, direction: 'max' }),
    );
    expect(outputsOf(kept)).toMatchObject({ counts: { deleted: 2, kept: 3, unknown: 2 } });
    expect(steps(await checkpointsOf('mixed'))).toEqual([0, 1, 4]);
    await platform.ended(
      one('cleanup_checkpoints', { job: 'mixed', keepBest: 1, keepLast: 1, missingMetric: 'delete' }),
    );
    expect(steps(await checkpointsOf('mixed'))).toEqual([0, 4]);
  });

  it('deletes nothing outside of attempt directories and the directory that the job declares', async () => {
    const outside = join(platform.dir, 'outside');
    mkdirSync(join(platform.dir, 'careful'), { recursive: true });
    mkdirSync(join(outside, 'real'), { recursive: true });
    writeFileSync(join(outside, 'real/model.bin'), 'precious');
    writeFileSync(join(outside, 'plain.bin'), 'precious');
    symlinkSync(join(outside, 'real'), join(platform.dir, 'careful/link'));
    symlinkSync(outside, join(platform.dir, 'careful/way'));
    const paths = [
      'careful/link',
      'careful/way/plain.bin',
      'careful/../outside/plain.bin',
      join(outside, 'real'),
      'careful',
    ];
    const lines = paths.map((path, step) => JSON.stringify({ path, step, metrics: { eval_loss: step } }));
    platform.write('lines.jsonl', `${lines.join('\n')}\n`);
    const definition = {
      name: 'careful',
      command: 'cp lines.jsonl "$TRAINYARD_ATTEMPT_DIR/checkpoints.jsonl"',
      numGpus: 0,
      checkpointDir: 'careful',
    };
    await api(platform.url).post('/api/v1/jobs', { definition, baseDir: platform.dir });
    await platform.ended(one('train_model', { job: 'careful' }));
    const live = await checkpointsOf('careful');
    expect(live.length).toBeGreaterThan(3);
    const run = await platform.ended(
      one('cleanup_checkpoints', { job: 'careful', keepBest: 1, direction: 'max' }),
    );
    expect(run.status).toBe('completed');
    const { counts, refused } = outputsOf(run) as { counts: object; refused: { reason: string }[] };
    expect(counts).toMatchObject({ deleted: 0, refused: live.length - 1 });
    expect(refused.some(({ reason }) => reason.includes('symbolic link'))).toBe(true);
    expect(readFileSync(join(outside, 'real/model.bin'), 'utf8')).toBe('precious');
    expect(readFileSync(join(outside, 'plain.bin'), 'utf8')).toBe('precious');
    expect(await checkpointsOf('careful')).toEqual(live);
  });

  it('runs alone, from a pipe', async () => {
    await createJob('alone');
    await platform.ended(one('train_model', { job: 'alone' }));
    const definition = JSON.stringify(one('cleanup_checkpoints', { job: 'alone', keepBest: 1 }));
    const script = `echo '${definition}' | node ${MAIN} run /dev/stdin --json`;
    const env = { TRAINYARD_URL: platform.url };
    const { code, stdout } = await runProgram('sh', ['-c', script], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout).children[0].outputs.counts).toMatchObject({ deleted: 3, kept: 1 });
  });
});

describe('training jobs on the command line', () => {
  it('are made, shown, replaced, listed and deleted', async () => {
    const file = platform.write(
      'job.yaml',
      'name: typed\nalgorithm: sft\ncommand: python3 train.py\nconfig: { lr: 1.0e-6 }\n',
    );
    const made = await platform.trainyard('jobs', 'create', file);
    expect(made.stderr).toContain('8 GPUs');
    const id = made.stdout.trim();
    expect(id).toMatch(/^job_/);
    expect((await platform.trainyard('jobs', 'create', file)).stdout.trim()).toBe(id);
    platform.write('job.yaml', 'name: typed\ncommand: python3 train.py\nnumGpus: 0\n');
    const taken = await platform.trainyard('jobs', 'create', file);
    expect(taken.code).toBe(1);
    expect(taken.stderr).toContain('with other content');
    const replaced = await platform.trainyard('jobs', 'create', file, '--replace');
    expect(replaced.stdout.trim()).toBe(id);
    const shown = JSON.parse((await platform.trainyard('jobs', 'show', 'typed', '--json')).stdout);
    expect(shown).toMatchObject({ id, numGpus: 0, baseDir: platform.dir, config: {} });
    expect((await platform.trainyard('jobs', 'list')).stdout).toContain(id);
    expect((await platform.trainyard('jobs', 'delete', id)).code).toBe(0);
    expect((await platform.trainyard('jobs', 'show', 'typed')).code).toBe(3);
    platform.write('bad.yaml', 'name: bad\ncomand: x\nnumGpus: many\n');
    const bad = await runTrainyard(['jobs', 'create', 'bad.yaml'], {
      env: { TRAINYARD_URL: platform.url },
      cwd: platform.dir,
    });
    expect(bad.code).toBe(2);
    expect(bad.stderr).toMatch(
      /bad\.yaml:2:1: unknown key "comand" in a training job; did you mean "command"/,
    );
  });
});
