import type { ExperimentInfo, TrackedRunInfo } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

describe('tracked runs by our own API', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());
  const own = <T>(method: string, path: string, body?: object) => t.call<T>(method, `/api/v1${path}`, body);
  const create = async (experiment_id = '0') => {
    const made = await t.call<{ run: { info: { run_id: string } } }>('POST', '/api/2.0/mlflow/runs/create', {
      experiment_id,
    });
    return made.body.run.info.run_id;
  };

  it('are logged to and shown', async () => {
    const ids = await Promise.all([create(), create()]);
    for (const [i, id] of ids.entries()) {
      const what = {
        params: { lr: String(i), other: 'x' },
        tags: { a: 'b' },
        metrics: [
          { key: 'loss', value: i / 2, step: 3, time: 5 },
          { key: 'nan', value: 'NaN' },
        ],
      };
      for (let again = 0; again < 2; again++)
        expect((await own('POST', `/tracking/runs/${id}/log`, what)).status).toBe(204);
    }
    const shown = await own<TrackedRunInfo>('GET', `/tracking/runs/${ids[1]}`);
    expect(shown.body).toMatchObject({
      kind: 'external',
      status: 'running',
      experimentId: 0,
      params: { lr: '1', other: 'x' },
      tags: { a: 'b' },
      metrics: { loss: { value: 0.5, step: 3, time: 5 }, nan: { value: 'NaN', step: 0 } },
    });
  });

  it('are deleted and restored, alone and with their experiment', async () => {
    const made = await t.call<{ experiment_id: string }>('POST', '/api/2.0/mlflow/experiments/create', {
      name: 'gone',
    });
    const experiment = made.body.experiment_id;
    const id = await create(experiment);
    const isDeleted = async () => (await own<TrackedRunInfo>('GET', `/tracking/runs/${id}`)).body.isDeleted;
    expect((await own<TrackedRunInfo>('DELETE', `/tracking/runs/${id}`)).body.isDeleted).toBe(true);
    expect((await own('POST', `/tracking/runs/${id}/log`, { tags: { a: 'b' } })).status).toBe(409);
    expect((await own('POST', `/tracking/runs/${id}/restore`, {})).status).toBe(200);
    const gone = await own<ExperimentInfo>('DELETE', `/experiments/${experiment}`);
    expect(gone.body.deletedAt).not.toBeNull();
    expect(await isDeleted()).toBe(true);
    const list = async (view: string) =>
      (await own<Page<ExperimentInfo>>('GET', `/experiments?view=${view}`)).body.items.map(
        ({ name }) => name,
      );
    expect(await list('active')).toEqual(['Default']);
    expect(await list('deleted')).toEqual(['gone']);
    await own('POST', `/experiments/${experiment}/restore`, {});
    expect(await isDeleted()).toBe(false);
    expect((await own<ExperimentInfo>('GET', `/experiments/${experiment}`)).body.name).toBe('gone');
    for (const path of ['/experiments/4711', '/tracking/runs/run_0'])
      expect((await own('GET', path)).status).toBe(404);
  });
});
