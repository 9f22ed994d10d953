import type { RunEvent } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Answer } from '../../testing/test-server.ts';
import { startTestServer, type TestServer } from '../../testing/test-server.ts';

interface MlflowError {
  error_code: string;
  message: string;
}
interface Metric {
  key: string;
  value: number | string;
  timestamp: number;
  step: number;
}
interface MlflowRun {
  info: Record<string, string | number>;
  data: {
    metrics?: Metric[];
    params?: { key: string; value: string }[];
    tags?: { key: string; value: string }[];
  };
  inputs: object;
  outputs: object;
}

describe('runs by the API of MLflow', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());

  const get = <T>(path: string): Promise<Answer<T>> => t.call<T>('GET', `/api/2.0/mlflow/${path}`);
  const post = <T = MlflowError>(path: string, body: unknown): Promise<Answer<T>> =>
    t.call<T>('POST', `/api/2.0/mlflow/${path}`, body);
  const create = async (body: object = {}): Promise<MlflowRun> => {
    const answer = await post<{ run: MlflowRun }>('runs/create', body);
    expect(answer.status).toBe(200);
    return answer.body.run;
  };
  const idOf = async (body: object = {}) => String((await create(body)).info['run_id']);
  const read = async (id: string) => (await get<{ run: MlflowRun }>(`runs/get?run_id=${id}`)).body.run;
  const history = async (id: string, key: string, more = '') =>
    (
      await get<{ metrics?: Metric[]; next_page_token?: string }>(
        `metrics/get-history?run_id=${id}&metric_key=${key}${more}`,
      )
    ).body;

  it('are made with what is given, and with a name where none is', async () => {
    const run = await create({
      experiment_id: '0',
      user_id: 'me',
      run_name: 'first',
      start_time: 456,
      tags: [{ key: 'p', value: '1' }],
    });
    expect(run).toEqual({
      info: {
        run_id: expect.stringMatching(/^run_/),
        run_uuid: run.info['run_id'],
        run_name: 'first',
        experiment_id: '0',
        user_id: 'me',
        status: 'RUNNING',
        start_time: 456,
        artifact_uri: `mlflow-artifacts:/0/${run.info['run_id']}/artifacts`,
        lifecycle_stage: 'active',
      },
      data: {
        tags: [
          { key: 'mlflow.runName', value: 'first' },
          { key: 'p', value: '1' },
        ],
      },
      inputs: {},
      outputs: {},
    });
    const elsewhere = { name: 'elsewhere', artifact_location: 's3://bucket/a' };
    const { body } = await post<{ experiment_id: string }>('experiments/create', elsewhere);
    const tags = ['z', 'b', 'z', 'a'].map((key, index) => ({ key, value: `${index}` }));
    for (const made of [run, await create({ ...body, tags })])
      expect(await read(String(made.info['run_id']))).toEqual(made);
    expect((await create()).info['run_name']).toMatch(/^\w+-\w+-\d+$/);
    expect((await create({ tags: [{ key: 'mlflow.runName', value: 'tagged' }] })).info['run_name']).toBe(
      'tagged',
    );
    const both = { run_name: 'a', tags: [{ key: 'mlflow.runName', value: 'b' }] };
    expect((await post('runs/create', both)).status).toBe(400);
    expect((await post('runs/create', { experiment_id: '4711' })).body.error_code).toBe(
      'RESOURCE_DOES_NOT_EXIST',
    );
  });

  it('take metrics, params and tags in one request, which may be sent again', async () => {
    const run_id = await idOf();
    const batch = {
      run_id,
      metrics: [
        { key: 'loss', value: 0.5, timestamp: 10, step: 1 },
        { key: 'loss', value: 0.5, timestamp: 10, step: 1 },
        { key: 'loss', value: 'NaN', timestamp: '11', step: '-2' },
        { key: 'loss', value: 'Infinity', timestamp: 12 },
        { key: 'odd key/of: it', value: '3.25', timestamp: 1, step: 0 },
      ],
      params: [
        { key: 'lr', value: '0.1' },
        { key: 'empty', value: '' },
      ],
      tags: [{ key: 'a', value: '1' }, { key: 'a', value: '2' }, { key: 'none' }],
    };
    for (let i = 0; i < 3; i++)
      expect(await post('runs/log-batch', batch)).toMatchObject({ status: 200, body: {} });
    expect((await history(run_id, 'loss')).metrics).toEqual([
      { key: 'loss', value: 0.5, timestamp: 10, step: 1 },
      { key: 'loss', value: 'NaN', timestamp: 11, step: -2 },
      { key: 'loss', value: Number.MAX_VALUE, timestamp: 12, step: 0 },
    ]);
    expect((await read(run_id)).data).toEqual({
      metrics: [
        { key: 'loss', value: 0.5, timestamp: 10, step: 1 },
        { key: 'odd key/of: it', value: 3.25, timestamp: 1, step: 0 },
      ],
      params: [
        { key: 'empty', value: '' },
        { key: 'lr', value: '0.1' },
      ],
      tags: expect.arrayContaining([
        { key: 'a', value: '2' },
        { key: 'none', value: '' },
      ]),
    });
  });

  it('show the greatest of step, time and value as the latest, whatever came last', async () => {
    const run_id = await idOf();
    const log = ([value, timestamp, step]: readonly [number | string, number, number]) =>
      post('runs/log-metric', { run_id, key: 'm', value, timestamp, step });
    for (const point of [
      [2, 40, 2],
      [5, 40, 2],
      [3, 40, 2],
      [9, 39, 2],
      [7, 50, 1],
      ['NaN', 40, 2],
    ] as const)
      expect((await log(point)).status).toBe(200);
    expect((await read(run_id)).data.metrics).toEqual([{ key: 'm', value: 5, timestamp: 40, step: 2 }]);
    expect((await history(run_id, 'm')).metrics).toHaveLength(6);
    await log([-1, 60, 2]);
    await log(['NaN', 60, 2]);
    expect((await read(run_id)).data.metrics?.[0]?.value).toBe('NaN');
  });

  it('store nothing of a request that is refused', async () => {
    const run_id = await idOf();
    const params = [{ key: 'lr', value: '0.1' }];
    await post('runs/log-batch', { run_id, params });
    const changed = await post('runs/log-batch', {
      run_id,
      metrics: [{ key: 'm', value: 1, timestamp: 1 }],
      params: [
        { key: 'new', value: '1' },
        { key: 'lr', value: '0.2' },
      ],
      tags: [{ key: 't', value: '1' }],
    });
    expect(changed.status).toBe(400);
    expect(changed.body.message).toContain("Changing param values is not allowed. Param with key='lr'");
    const { data } = await read(run_id);
    expect(data).toEqual({ params, tags: [expect.objectContaining({ key: 'mlflow.runName' })] });
    expect((await post('runs/log-parameter', { run_id, key: 'lr', value: '0.1' })).status).toBe(200);
    const twice = [...params, ...params];
    expect((await post('runs/log-batch', { run_id, params: twice })).body.message).toContain(
      'Duplicate parameter keys',
    );
  });

  it('keep one of many params that are logged at once', async () => {
    const run_id = await idOf();
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        post('runs/log-parameter', { run_id, key: 'raced', value: String(i % 3) }),
      ),
    );
    const value = (await read(run_id)).data.params?.[0]?.value;
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(4);
    expect(answers.every(({ status }, i) => (status === 200) === (String(i % 3) === value))).toBe(true);
  });

  it('give their history page by page', async () => {
    const run_id = await idOf();
    const metrics = Array.from({ length: 950 }, (_, i) => ({ key: 'm', value: i, timestamp: i, step: 7 }));
    await post('runs/log-batch', { run_id, metrics });
    const seen: unknown[] = [];
    let token: string | undefined = '';
    for (let page = 0; token !== undefined; page++) {
      expect(page).toBeLessThan(4);
      const body = await history(run_id, 'm', `&max_results=400&page_token=${encodeURIComponent(token)}`);
      seen.push(...(body.metrics ?? []));
      token = body.next_page_token;
    }
    expect(seen).toEqual(metrics);
    expect((await history(run_id, 'm')).metrics).toHaveLength(950);
    expect(await history(run_id, 'other')).toEqual({});
    const wrong = await get<MlflowError>(`metrics/get-history?run_id=${run_id}&metric_key=m&page_token=x`);
    expect([wrong.status, wrong.body.error_code]).toEqual([400, 'INVALID_PARAMETER_VALUE']);
  });

  it('give some steps of several runs, with the ends of each', async () => {
    const ids = await Promise.all([idOf(), idOf()]);
    const steps = [Array.from({ length: 1000 }, (_, i) => i), [3, 500, 2000]];
    for (const [i, run_id] of ids.entries())
      await post('runs/log-batch', {
        run_id,
        metrics: steps[i]!.map((step) => ({ key: 'm', value: step, timestamp: step, step })),
      });
    const query = ids.map((id) => `run_ids=${id}`).join('&');
    const of = async (more: string) =>
      (
        await get<{ metrics: (Metric & { run_id: string })[] }>(
          `metrics/get-history-bulk-interval?${query}&metric_key=m${more}`,
        )
      ).body.metrics;
    const sampled = await of('&max_results=10');
    const first = sampled.filter(({ run_id }) => run_id === ids[0]).map(({ step }) => step);
    expect(first).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 999]);
    const second = sampled.filter(({ run_id }) => run_id === ids[1]).map(({ step }) => step);
    expect(second).toEqual([3, 500, 2000]);
    expect((await of('&start_step=1&end_step=2')).map(({ step }) => step)).toEqual([1, 2]);
    const refused = await get<MlflowError>(
      `metrics/get-history-bulk-interval?${query}&metric_key=m&start_step=1`,
    );
    expect(refused.status).toBe(400);
    const bulk = await get<{ metrics: unknown[] }>(
      `metrics/get-history-bulk?run_id=${ids[0]}&run_id=${ids[1]}&metric_key=m`,
    );
    expect(bulk.body.metrics).toHaveLength(1003);
  });

  it('end, are renamed, and are opened again', async () => {
    const run_id = await idOf({ run_name: 'before' });
    const update = async (body: object) =>
      (await post<{ run_info: Record<string, unknown> }>('runs/update', { run_id, ...body })).body.run_info;
    expect(await update({ run_name: 'after' })).toMatchObject({ run_name: 'after', status: 'RUNNING' });
    expect((await read(run_id)).data.tags).toEqual([{ key: 'mlflow.runName', value: 'after' }]);
    expect(await update({ status: 'FINISHED', end_time: 999 })).toMatchObject({
      status: 'FINISHED',
      end_time: 999,
    });
    expect(await update({ run_name: 'later' })).toMatchObject({ status: 'FINISHED', end_time: 999 });
    expect(await update({ status: 'RUNNING' })).not.toHaveProperty('end_time');
    expect(await update({ status: 'FAILED' })).toMatchObject({
      status: 'FAILED',
      end_time: expect.any(Number),
    });
    await post('runs/set-tag', { run_id, key: 'mlflow.runName', value: 'tagged' });
    expect((await read(run_id)).info['run_name']).toBe('tagged');
  });

  it('are root runs like any other', async () => {
    const run_id = await idOf({ run_name: 'outside' });
    await post('runs/log-parameter', { run_id, key: 'lr', value: '0.1' });
    await post('runs/log-metric', { run_id, key: 'm', value: 2, timestamp: 1, step: -3 });
    const own = <T>(method: string, path: string, body?: object) => t.call<T>(method, `/api/v1${path}`, body);
    expect((await own('GET', `/runs/${run_id}`)).body).toMatchObject({
      kind: 'external',
      name: 'outside',
      status: 'running',
      params: { lr: '0.1' },
    });
    const list = await own<{ items: { id: string }[] }>('GET', '/runs?limit=100');
    expect(list.body.items.map(({ id }) => id)).toContain(run_id);
    const latest = await own<{ items: object[] }>('GET', `/runs/${run_id}/metrics/latest?tree=true`);
    expect(latest.body.items).toEqual([expect.objectContaining({ key: 'm', step: -3, value: 2 })]);
    for (const [method, path, status] of [
      ['POST', 'pause', 409],
      ['POST', 'resume', 409],
      ['POST', 'retry', 409],
      ['GET', 'definition', 404],
      ['DELETE', '', 409],
      ['GET', 'attempts', 200],
      ['GET', 'tree', 200],
      ['GET', 'waits', 200],
      ['GET', 'datasets', 200],
      ['GET', 'log', 404],
      ['GET', 'params', 409],
    ] as const) {
      const answer = await own(
        method,
        `/runs/${run_id}/${path}`.replace(/\/$/, ''),
        method === 'POST' ? {} : undefined,
      );
      expect([path, answer.status]).toEqual([path, status]);
    }
    expect((await own('POST', `/runs/${run_id}/cancel`, {})).body).toMatchObject({ status: 'cancelled' });
    const events = await own<{ items: RunEvent[] }>('GET', `/runs/${run_id}/events`);
    expect(events.body.items.map(({ type }) => type)).toEqual(['run.created', 'run.started', 'run.finished']);
    expect((await own('DELETE', `/runs/${run_id}`)).status).toBe(204);
    expect((await get<MlflowError>(`runs/get?run_id=${run_id}`)).status).toBe(404);
  });

  it('refuse everything while they are deleted, and can be read', async () => {
    const run_id = await idOf();
    expect((await post('runs/delete', { run_id })).status).toBe(200);
    expect((await read(run_id)).info['lifecycle_stage']).toBe('deleted');
    for (const [path, body] of [
      ['log-metric', { key: 'm', value: 1, timestamp: 1 }],
      ['log-parameter', { key: 'p', value: '1' }],
      ['set-tag', { key: 't', value: '1' }],
      ['delete-tag', { key: 'mlflow.runName' }],
      ['log-batch', { tags: [{ key: 't', value: '1' }] }],
      ['update', { status: 'FINISHED' }],
    ] as const) {
      const answer = await post(`runs/${path}`, { run_id, ...body });
      expect([path, answer.status, answer.body.error_code]).toEqual([path, 400, 'INVALID_PARAMETER_VALUE']);
      expect(answer.body.message).toContain("must be in the 'active' state");
    }
    expect((await post('runs/restore', { run_id })).status).toBe(200);
    expect((await post('runs/set-tag', { run_id, key: 't', value: '1' })).status).toBe(200);
    expect((await post('runs/delete-tag', { run_id, key: 't' })).status).toBe(200);
    expect((await post('runs/delete-tag', { run_id, key: 't' })).status).toBe(404);
  });
});
