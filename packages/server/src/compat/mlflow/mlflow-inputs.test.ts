import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../testing/test-server.ts';

describe('inputs and outputs of runs by the API of MLflow', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());
  const post = async <T = object>(path: string, body: object): Promise<T> => {
    const answer = await t.call<T>('POST', `/api/2.0/mlflow/${path}`, body);
    expect([path, answer.status, answer.status === 200 ? '' : answer.text]).toEqual([path, 200, '']);
    return answer.body;
  };
  const create = async () =>
    (await post<{ run: { info: { run_id: string } } }>('runs/create', {})).run.info.run_id;

  it('are noted once, found by searches, and summarised by experiment', async () => {
    const [run_id, other] = [await create(), await create()];
    const dataset = { name: 'iris', digest: 'abc', source_type: 'local', source: '/iris.csv', schema: '{}' };
    const tags = [{ key: 'mlflow.data.context', value: 'training' }];
    for (let i = 0; i < 2; i++)
      await post('runs/log-inputs', { run_id, datasets: [{ tags, dataset }], models: [{ model_id: 'm-1' }] });
    await post('runs/log-inputs', { run_id: other, datasets: [{ dataset: { ...dataset, digest: 'def' } }] });
    await post('runs/outputs', { run_id, models: [{ model_id: 'm-2', step: '3' }] });
    const get = await t.call<{ run: object }>('GET', `/api/2.0/mlflow/runs/get?run_id=${run_id}`);
    expect(get.body.run).toMatchObject({
      inputs: { dataset_inputs: [{ tags, dataset }], model_inputs: [{ model_id: 'm-1' }] },
      outputs: { model_outputs: [{ model_id: 'm-2', step: 3 }] },
    });
    const found = await post<{ runs: { info: { run_id: string } }[] }>('runs/search', {
      experiment_ids: ['0'],
      filter: "dataset.name = 'iris' AND dataset.context = 'training'",
    });
    expect(found.runs).toEqual([get.body.run]);
    expect(await post('experiments/search-datasets', { experiment_ids: ['0'] })).toEqual({
      dataset_summaries: [
        { experiment_id: '0', name: 'iris', digest: 'abc', context: 'training' },
        { experiment_id: '0', name: 'iris', digest: 'def' },
      ],
    });
  });

  it('of older clients are a list in a tag', async () => {
    const run_id = await create();
    const model = (name: string) => ({ artifact_path: name, flavors: {}, run_id, utc_time_created: 'now' });
    for (const name of ['a', 'b'])
      await post('runs/log-model', { run_id, model_json: JSON.stringify(model(name)) });
    const history = async (): Promise<{ artifact_path: string }[]> => {
      const { body } = await t.call<{ run: { data: { tags: { key: string; value: string }[] } } }>(
        'GET',
        `/api/2.0/mlflow/runs/get?run_id=${run_id}`,
      );
      const tag = body.run.data.tags.find(({ key }) => key === 'mlflow.log-model.history');
      return JSON.parse(tag?.value ?? '');
    };
    expect(await history()).toEqual([model('a'), model('b')]);
    const atOnce = Array.from({ length: 8 }, (_, index) => `c${index}`);
    await Promise.all(
      atOnce.map((name) => post('runs/log-model', { run_id, model_json: JSON.stringify(model(name)) })),
    );
    expect((await history()).map(({ artifact_path: path }) => path).sort()).toEqual(['a', 'b', ...atOnce]);
  });

  it('pages through searches in the order that is asked for', async () => {
    const { experiment_id } = await post<{ experiment_id: string }>('experiments/create', { name: 'paged' });
    const ids: string[] = [];
    for (const value of [3, 1, 'NaN', 2]) {
      const { run } = await post<{ run: { info: { run_id: string } } }>('runs/create', { experiment_id });
      ids.push(run.info.run_id);
      await post('runs/log-metric', { run_id: run.info.run_id, key: 'm', value, timestamp: 1 });
    }
    const seen: string[] = [];
    let page_token: string | undefined;
    do {
      const page = await post<{ runs: { info: { run_id: string } }[]; next_page_token?: string }>(
        'runs/search',
        {
          experiment_ids: [experiment_id],
          order_by: ['metrics.m ASC'],
          max_results: 3,
          page_token,
        },
      );
      seen.push(...page.runs.map(({ info }) => info.run_id));
      page_token = page.next_page_token;
    } while (page_token !== undefined);
    expect(seen).toEqual([ids[1], ids[3], ids[0], ids[2]]);
    expect(await post('runs/search', { experiment_ids: [] })).toEqual({});
  });
});
