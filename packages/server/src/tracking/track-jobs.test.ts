import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

interface MlflowRun {
  info: { run_id: string; run_name: string; status: string; experiment_id: string };
  data: { metrics?: object[]; params?: { key: string; value: string }[]; tags?: object[] };
}

const PIPELINE = `
name: tracked
experiment: shared
params: { lr: { type: number, default: 0.1 }, model: { type: json, default: { layers: 3, name: mlp } } }
stages:
  - { name: train, job: { command: [train] } }
`;

describe('jobs of pipelines', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());
  const post = <T>(path: string, body: object) => t.call<T>('POST', `/api/2.0/mlflow/${path}`, body);
  const experimentOf = async (name: string) =>
    (
      await t.call<{ experiment?: { experiment_id: string } }>(
        'GET',
        `/api/2.0/mlflow/experiments/get-by-name?experiment_name=${name}`,
      )
    ).body.experiment?.experiment_id;

  it('are tracked in the experiment of their pipeline from their first metrics on', async () => {
    const agent = await t.agent();
    const rootId = await t.submit(PIPELINE);
    const attempt = await agent.take();
    expect(await experimentOf('shared')).toBeUndefined();
    await agent.report(attempt, 'started');
    await agent.append(attempt, 'metrics', 0, '{"step": 1, "loss": 0.5}\n');
    const experiment = await experimentOf('shared');
    const found = await post<{ runs: MlflowRun[] }>('runs/search', { experiment_ids: [experiment] });
    const run = found.body.runs[0]!;
    expect(run.info).toMatchObject({ run_name: 'train', status: 'RUNNING' });
    expect(run.data).toMatchObject({
      metrics: [{ key: 'loss', value: 0.5, step: 1 }],
      params: [
        { key: 'lr', value: '0.1' },
        { key: 'model/layers', value: '3' },
        { key: 'model/name', value: 'mlp' },
      ],
    });
    expect(run.data.tags).toContainEqual({ key: 'trainyard.rootRunId', value: rootId });
    const { run_id } = run.info;
    await post('runs/log-batch', {
      run_id,
      tags: [{ key: 'a', value: 'b' }],
      metrics: [{ key: 'more', value: 1, timestamp: 1 }],
    });
    const update = await post<{ run_info: object }>('runs/update', { run_id, status: 'FINISHED' });
    expect(update.body.run_info).toMatchObject({ status: 'RUNNING' });
    await t.treeWhen(rootId, ({ children }) => children[0]?.status === 'running');
  });

  it('are tracked by what their programs log, in the experiment of the name of the pipeline', async () => {
    await t.submit(
      PIPELINE.replaceAll(/(?:name: tracked|experiment: shared)/g, (line) =>
        line.startsWith('n') ? 'name: other' : '',
      ),
    );
    const agent = await t.agent();
    const attempt = await agent.take();
    const run_id = attempt.spec.runId;
    const logged = await post('runs/log-parameter', { run_id, key: 'batch', value: '8' });
    expect(logged.status).toBe(200);
    const found = await post<{ runs: MlflowRun[] }>('runs/search', {
      experiment_ids: [await experimentOf('other')],
      filter: "params.batch = '8' and params.lr = '0.1'",
    });
    expect(found.body.runs.map(({ info }) => info.run_id)).toEqual([run_id]);
  });
});
