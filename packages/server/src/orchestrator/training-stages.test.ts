import { trainingJobDefinition } from '@trainyard/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTrainingJobStore } from '../store/training-jobs.ts';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

describeDatabases('training stages', (engine) => {
  let plane: ControlPlane;
  beforeAll(async () => {
    plane = await startControlPlane(engine);
  });
  afterAll(() => plane.end());

  const createJob = (name: string, more: object = {}) =>
    createTrainingJobStore(plane.database.kysely).create(
      trainingJobDefinition.parse({ name, command: 'train', ...more }),
      '/jobs',
    );
  const rowsOf = async (table: string, rootId: string) =>
    (
      await sql<Record<string, unknown>>`select * from ${sql.table(table)} where root_id = ${rootId}`.execute(
        plane.database.kysely,
      )
    ).rows;

  it('of a job that does not exist leave a failed stage, a failed pipeline and nothing else', async () => {
    const yaml = `name: p
stages:
  - { name: train, train_model: { job: nobody } }
  - { name: after, dependsOn: [train], job: { command: x } }`;
    const rootId = await plane.submit(yaml);
    const runs = await rowsOf('runs', rootId);
    expect(runs.map(({ path, status }) => [path, status])).toEqual([
      ['', 'failed'],
      ['train', 'failed'],
      ['after', 'skipped'],
    ]);
    const error = { code: 'job_not_found', message: expect.stringContaining('no training job "nobody"') };
    expect(runs[1]!['error']).toMatchObject(error);
    expect(runs[0]!['error']).toMatchObject({ code: 'job_not_found', path: 'train' });
    expect(await rowsOf('trees', rootId)).toMatchObject([
      { status: 'failed', counts: { failed: 1, skipped: 1 }, ended_at: expect.any(Date) },
    ]);
    for (const table of ['attempts', 'tree_inbox', 'model_checkpoints']) {
      expect(await rowsOf(table, rootId)).toEqual([]);
    }
    const finished = (await rowsOf('events', rootId)).filter(({ type }) => type === 'run.finished');
    expect(finished).toHaveLength(2);
  });

  it('tell a clean-up which checkpoints are on a host', async () => {
    await createJob('hosted');
    const agent = await plane.agent();
    const saved = { step: 1, epoch: null, metrics: {}, action: 'saved', sizeBytes: 1, sha256: null };
    for (const [path, target] of [
      ['/there', { address: 'box', dir: '/jobs/attempts/att_1' }],
      ['/here', undefined],
    ] as const) {
      const rootId = await plane.submit(`name: p
stages: [{ name: train, train_model: { job: hosted, config: { num_gpus: 0 } } }]`);
      const [train] = await plane.claim(agent);
      await plane.report(train!, 'started', target === undefined ? {} : { target });
      await plane.report(train!, 'completed', { checkpoints: [{ ...saved, path }] });
      await plane.until(rootId, (runs) => runs.get('')!.status === 'completed');
    }
    const rootId = await plane.submit(`name: p
stages: [{ name: clean, cleanup_checkpoints: { job: hosted } }]`);
    const [{ spec }] = (await rowsOf('attempts', rootId)) as [
      { spec: { builtin: { input: { checkpoints: { path: string; host?: string }[] } } } },
    ];
    const hosts = spec.builtin.input.checkpoints.map(({ path, host }) => [path, host]).sort();
    expect(hosts).toEqual([
      ['/here', undefined],
      ['/there', 'box'],
    ]);
  });

  describe('ask for as many GPUs as their program is told', () => {
    it.each([
      ['config before job', { numGpus: 4, config: { num_gpus: 3 } }, '{ num_gpus: 2 }', 2],
      ['the config of the job before its numGpus', { numGpus: 4, config: { num_gpus: 3 } }, '{}', 3],
      ['job', { numGpus: 4 }, '{}', 4],
      ['eight', {}, '{}', 8],
      ['none', { numGpus: 4 }, '{ num_gpus: 0 }', 0],
    ])('%s', async (title, job, config, gpus) => {
      const name = title.replaceAll(' ', '_');
      await createJob(name, job);
      const rootId = await plane.submit(`name: p
stages: [{ name: train, train_model: { job: ${name}, config: ${config} } }]`);
      const [attempt] = await rowsOf('attempts', rootId);
      const { id } = (await createTrainingJobStore(plane.database.kysely).find(name))!;
      expect(attempt).toMatchObject({ gpus, training_job_id: id, priority: 5 });
      expect(attempt!['spec']).toMatchObject({
        gpus,
        params: { num_gpus: gpus },
        command: 'train',
        workingDir: '/jobs',
        env: { TRAINYARD_JOB_ID: id },
      });
    });

    it('and fail when that is no number of GPUs', async () => {
      await createJob('wrong');
      const rootId = await plane.submit(`name: p
stages: [{ name: train, train_model: { job: wrong, config: { num_gpus: many } } }]`);
      expect((await rowsOf('runs', rootId))[1]!['error']).toMatchObject({ code: 'invalid_config' });
    });
  });

  it('look the job up when they are ready', async () => {
    const rootId = await plane.submit(`name: p
stages:
  - { name: prepare, job: { command: x, queue: late } }
  - { name: train, dependsOn: [prepare], train_model: { job: late } }`);
    const agent = await plane.agent({ queues: ['late'] });
    const [prepare] = await plane.claim(agent);
    await createJob('late', { queue: 'late', numGpus: 0 });
    await plane.report(prepare!, 'started');
    await plane.report(prepare!, 'completed');
    await plane.settled(rootId);
    const [train] = await plane.claim(agent);
    expect(train!.spec).toMatchObject({ stage: 'train', gpus: 0 });
  });

  it('answer many items of a foreach with one look at the job', async () => {
    await createJob('swept', { numGpus: 0 });
    const rootId = await plane.submit(`name: p
stages:
  - name: sweep
    foreach: { item: lr, in: [1, 2, 3, 4, 5], maxParallel: 5 }
    train_model: { job: swept, config: { lr: '\${{ item.lr }}' } }`);
    const attempts = await rowsOf('attempts', rootId);
    const specs = attempts.map(({ spec }) => (spec as { params: { lr: number } }).params.lr).sort();
    expect(specs).toEqual([1, 2, 3, 4, 5]);
  });

  it('keep what was recorded when their job is deleted', async () => {
    const { job } = await createJob('gone', { numGpus: 0, queue: 'gone' });
    const rootId = await plane.submit('name: p\nstages: [{ name: train, train_model: { job: gone } }]');
    const agent = await plane.agent({ queues: ['gone'] });
    const [train] = await plane.claim(agent);
    const store = createTrainingJobStore(plane.database.kysely);
    await expect(store.delete(job.id)).rejects.toMatchObject({ code: 'CONFLICT' });
    await plane.report(train!, 'started');
    const saved = { path: '/c/1', step: 1, metrics: { eval_loss: 0.5 }, sizeBytes: 3, action: 'saved' };
    const evaluated = { ...saved, step: null, metrics: { f1: 1 }, action: 'evaluated' };
    const gone = { ...saved, path: '/c/2' };
    const checkpoints = [saved, evaluated, gone, { ...gone, action: 'deleted' }];
    await plane.report(train!, 'completed', { checkpoints });
    await plane.settled(rootId);
    const read = async () =>
      (await rowsOf('model_checkpoints', rootId)).sort((a, b) => (`${a['path']}` < `${b['path']}` ? -1 : 1));
    expect(await read()).toMatchObject([
      { job_id: job.id, path: '/c/1', step: 1, metrics: { eval_loss: 0.5, f1: 1 }, deleted_at: null },
      { job_id: job.id, path: '/c/2', deleted_at: expect.any(Date) },
    ]);
    const events = (await rowsOf('events', rootId)).filter(({ type }) => type === 'checkpoint.recorded');
    expect(events).toHaveLength(4);
    await store.delete(job.id);
    expect(await read()).toMatchObject([{ job_id: null }, { job_id: null }]);
  });
});
