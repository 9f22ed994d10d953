import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainingJob, TrainingJobRun } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScriptedAgent } from '../../testing/scripted-agent.ts';
import { expectStatus, startTestServer, type TestServer } from '../../testing/test-server.ts';
import { clonedJob } from './cloned-job.ts';

describe('runs of a training job by the job', () => {
  let t: TestServer;
  let agent: ScriptedAgent;
  let dir: string;
  beforeAll(async () => {
    t = await startTestServer();
    agent = await t.agent();
    dir = mkdtempSync(join(tmpdir(), 'trainyard-job-runs-'));
  });
  afterAll(async () => {
    await t.end();
    rmSync(dir, { recursive: true, force: true });
  });

  async function jobOf(name: string) {
    const definition = {
      name,
      command: [
        'sh',
        '-cu',
        'cat "$TRAINYARD_PARAMS" > copy; echo "$MODE" > mode; echo "$TRAINYARD_JOB_ID $TRAINYARD_RUN_ID" > ids',
      ],
      env: { MODE: "it's full" },
      numGpus: 0,
      config: { epochs: 3, lr: 0.1 },
    };
    expectStatus(await t.call('POST', '/api/v1/jobs', { definition, baseDir: dir }), 201);
    const path = `/api/v1/jobs/${name}`;
    const checkpoint = (step: number) => ({
      ...{ path: `/c/${name}-${step}`, step, epoch: null, metrics: { eval_loss: step }, sizeBytes: 1 },
      ...{ sha256: null, action: 'saved' as const },
    });
    return {
      post: <T = { error: { code: string; message: string } }>(what: string, body?: object) =>
        t.call<T>('POST', `${path}/${what}`, body),
      get: <T>(what: string) => t.call<T>('GET', `${path}/${what}`),
      /** Runs what was started to its end; it saves these steps. */
      async train(...steps: number[]) {
        const taken = await agent.take('train');
        await agent.report(taken, 'started');
        await agent.append(taken, 'log', 0, 'hello\nworld\n');
        await agent.append(taken, 'metrics', 0, '{"step": 0, "loss": 2}\n{"step": 5, "loss": 1}\n');
        await agent.report(taken, { outcome: 'completed', checkpoints: steps.map(checkpoint) });
        await t.treeWhen(taken.spec.rootId, ({ endedAt }) => endedAt !== null);
        return taken.spec;
      },
    };
  }

  it('start with a changed config, and show log, metrics and the config that was found', async () => {
    const job = await jobOf('shown');
    expect((await job.get('logs')).status).toBe(404);
    const run = expectStatus(await job.post<TrainingJobRun>('start', { config: { lr: 0.5 } }), 201);
    expect(run).toMatchObject({ status: 'queued', checkpoint: null, endedAt: null });
    const spec = await job.train();
    expect(spec.params).toEqual({ epochs: 3, lr: 0.5, num_gpus: 0 });
    expect((await job.get('logs?limit=1&offset=1')).body).toMatchObject({ logs: ['world'], total_lines: 2 });
    expect((await job.get('metrics?start_step=1&end_step=9')).body).toMatchObject({
      metrics: [{ step: 5, loss: 1 }],
    });
    expect((await job.get('config')).body).toEqual({
      config: { epochs: 3, lr: 0.1, num_gpus: 0 },
      effective: { epochs: 3, lr: 0.5, num_gpus: 0 },
      effectiveRunId: run.runId,
    });
    expect((await job.get('runs')).body).toMatchObject({ runs: [{ runId: run.runId, status: 'completed' }] });
  });

  it('are what the older monitoring shows of a job, by its id or name, not its evaluations', async () => {
    const job = await jobOf('watched');
    const { runId } = expectStatus(await job.post<TrainingJobRun>('start', {}), 201);
    await job.train(5);
    const root = await t.submit(
      'name: e\nstages: [{ name: judge, run_evaluation: { job: watched, command: x } }]\n',
    );
    const evaluation = await agent.take('judge');
    await agent.report(evaluation, 'started');
    await agent.report(evaluation, { outcome: 'completed' });
    await t.treeWhen(root, ({ endedAt }) => endedAt !== null);
    const { id } = (await t.call<TrainingJob>('GET', '/api/v1/jobs/watched')).body;
    for (const name of [id, 'watched', runId]) {
      const { body } = await t.call('GET', `/api/v1/monitoring/${name}/metrics`);
      expect(body).toMatchObject({
        metrics: [
          { step: 0, loss: 2 },
          { step: 5, loss: 1 },
        ],
      });
    }
  });

  it('go on from a path, a step or the latest checkpoint, and from none that is not there', async () => {
    const job = await jobOf('resumed');
    await job.post('start', {});
    await job.train(10, 20);
    const resumed = async (body?: object) => {
      const { checkpoint } = expectStatus(await job.post<TrainingJobRun>('resume', body), 201);
      await job.train();
      return checkpoint;
    };
    expect(await resumed()).toBe('/c/resumed-20');
    expect(await resumed({ latest: true })).toBe('/c/resumed-20');
    expect(await resumed({ checkpoint_step: 10 })).toBe('/c/resumed-10');
    expect(await resumed({ checkpoint_path: '/c/resumed-10' })).toBe('/c/resumed-10');
    expect((await job.post('resume', { checkpoint_step: 11 })).body.error.message).toContain('of step 11');
    expect((await job.post('resume', { checkpoint_path: '/x' })).status).toBe(409);
    expect((await job.post('resume', { latest: true, checkpoint_step: 10 })).status).toBe(400);
    expect((await job.get('available-checkpoints')).body).toMatchObject({
      checkpoints: [
        { step: 20, is_latest: true, is_best: false },
        { step: 10, is_best: true },
      ],
    });
  });

  it('show log and metrics of older runs, each of which is listed', async () => {
    const job = await jobOf('old');
    const runs: string[] = [];
    for (let run = 0; run < 3; run += 1) {
      await job.post('start', {});
      runs.push((await job.train()).runId);
    }
    const other = await jobOf('young');
    await other.post('start', {});
    const { runId: foreign } = await other.train();
    const page = (await job.get<{ runs: TrainingJobRun[]; nextCursor: string }>('runs?limit=2')).body;
    expect(page.runs.map(({ runId }) => runId)).toEqual([runs[2], runs[1]]);
    const rest = (await job.get<typeof page>(`runs?limit=2&cursor=${page.nextCursor}`)).body;
    expect(rest).toMatchObject({ runs: [{ runId: runs[0] }], nextCursor: null });
    const { rootId } = rest.runs[0]!;
    for (const run of [runs[0], rootId]) {
      expect((await job.get(`logs?run=${run}`)).body).toMatchObject({ logs: ['hello', 'world'] });
      expect((await job.get(`metrics?run=${run}`)).body).toMatchObject({
        job_id: runs[0],
        metrics: [{ step: 0 }, { step: 5 }],
      });
    }
    for (const what of [`logs?run=${foreign}`, `metrics?run=${foreign}`, 'logs?run=run_none']) {
      expect((await job.get(what)).status, what).toBe(404);
    }
  });

  it('stop, pause and go on; without a run there is nothing to stop', async () => {
    const job = await jobOf('steered');
    expect((await job.post('stop')).status).toBe(409);
    const { rootId } = (await job.post<TrainingJobRun>('start', {})).body;
    const taken = await agent.take('train');
    await agent.report(taken, 'started');
    const stage = (status: string) => t.treeWhen(rootId, ({ children }) => children[0]!.status === status);
    await stage('running');
    expect((await job.post('resume')).status).toBe(409);
    expectStatus(await job.post('pause'), 202);
    const base = {
      attemptId: taken.spec.attemptId,
      epoch: taken.spec.epoch,
      token: taken.token,
      at: Date.now(),
    };
    await t.call('POST', '/api/v1/reports', { reports: [{ kind: 'paused', mode: 'freeze', ...base }] });
    await stage('paused');
    expectStatus(await job.post('resume'), 202);
    await t.call('POST', '/api/v1/reports', { reports: [{ kind: 'resumed', ...base }] });
    await stage('running');
    expectStatus(await job.post('stop'), 202);
    await stage('cancelling');
    await agent.report(taken, { outcome: 'cancelled', exitCode: null });
    await t.treeWhen(rootId, ({ endedAt }) => endedAt !== null);
  });

  it('can be run by hand from a script, and a job can be cloned', async () => {
    const job = await jobOf('scripted');
    const { text, headers } = await job.get('script');
    expect(headers['content-type']).toContain('text/plain');
    execFileSync('sh', { input: text });
    expect(JSON.parse(readFileSync(join(dir, 'copy'), 'utf8'))).toEqual({ epochs: 3, lr: 0.1, num_gpus: 0 });
    expect(readFileSync(join(dir, 'mode'), 'utf8')).toBe("it's full\n");
    const clone = expectStatus(await job.post<TrainingJob>('clone', { name: 'copied' }), 201);
    expect(clone).toMatchObject({ name: 'copied', config: { epochs: 3 }, baseDir: dir });
    expect(readFileSync(join(dir, 'ids'), 'utf8')).toMatch(/^job_\w+ by-hand\n$/);
    expect((await job.post('clone', { name: 'not a name!' })).status).toBe(400);
    for (const taken of ['scripted', 'copied']) {
      expect((await job.post('clone', { name: taken })).body.error.code).toBe('CONFLICT');
    }
  });

  it('is cloned with a directory of its own for checkpoints, so that no clean-up meets files of both', async () => {
    const definition = { name: 'saving', command: 'true', checkpointDir: 'saved' };
    expectStatus(await t.call('POST', '/api/v1/jobs', { definition, baseDir: dir }), 201);
    const clone = (from: string, name: string) =>
      t.call<TrainingJob>('POST', `/api/v1/jobs/${from}/clone`, { name });
    const cleanedDir = async (job: string) => {
      await t.submit(
        `name: c\nstages: [{ name: ${job}, cleanup_checkpoints: { job: ${job}, keepBest: 1, metric: loss } }]\n`,
      );
      const { spec } = await agent.take(job);
      return spec.builtin?.input['checkpointDir'];
    };
    expect(expectStatus(await clone('saving', 'second'), 201).checkpointDir).toBe('saved-second');
    expect(expectStatus(await clone('second', 'third'), 201).checkpointDir).toBe('saved-second-third');
    const dirs = [await cleanedDir('saving'), await cleanedDir('second'), await cleanedDir('third')];
    expect(dirs).toEqual(['saved', 'saved-second', 'saved-second-third'].map((each) => join(dir, each)));
  });

  it.each([
    ['./saved/', './saved-b'],
    ['/data/saved', '/data/saved-b'],
    ['.', 'b'],
    ['..', '../b'],
    ['/', '/b'],
    ['../x', '../x-b'],
  ])('has for a clone of %s the directory %s', (checkpointDir, own) => {
    const job = { name: 'a', command: 'x', checkpointDir } as unknown as TrainingJob;
    expect(clonedJob(job, 'b').checkpointDir).toBe(own);
  });
});
