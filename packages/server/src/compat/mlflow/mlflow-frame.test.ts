import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../testing/test-server.ts';

interface MlflowError {
  error_code: string;
  message: string;
}

const PREFIX = '/api/2.0/mlflow';
const INVALID = 'INVALID_PARAMETER_VALUE';

describe('what the API of MLflow refuses', () => {
  let t: TestServer;
  let run_id = '';
  beforeAll(async () => {
    t = await startTestServer();
    const { body } = await t.call<{ run: { info: { run_id: string } } }>('POST', `${PREFIX}/runs/create`, {});
    run_id = body.run.info.run_id;
  });
  afterAll(() => t.end());
  const post = (path: string, body: unknown) => t.call<MlflowError>('POST', `${PREFIX}/${path}`, body);

  const metric = { key: 'm', value: 1, timestamp: 1 };
  const many = (count: number, of: (index: number) => object) =>
    Array.from({ length: count }, (_, i) => of(i));
  it.each<[path: string, body: object, told: string]>([
    ['experiments/create', {}, "Missing value for required parameter 'name'"],
    ['experiments/create', { name: 123 }, "Invalid value 123 for parameter 'name' supplied"],
    [
      'experiments/create',
      { name: 'n', artifact_location: 9 },
      "Invalid value 9 for parameter 'artifact_location'",
    ],
    ['experiments/create', { name: 'n', tags: 'x' }, 'Invalid value "x" for parameter \'tags\' supplied'],
    ['experiments/create', { name: 'n'.repeat(501) }, 'exceeds the maximum length of 500'],
    ['experiments/create', { name: 'n', artifact_location: 'file:///a#b' }, 'Invalid artifact location'],
    ['experiments/create', { name: 'n', artifact_location: 's3://a/../b' }, 'Invalid artifact location'],
    ['experiments/delete', { experiment_id: 'abc' }, 'Invalid value "abc" for parameter \'experiment_id\''],
    ['runs/create', { start_time: 'soon' }, "for parameter 'start_time' supplied"],
    ['runs/create', { tags: [{ key: '' }] }, "Missing value for required parameter 'tags[0].key'"],
    ['runs/update', { status: 'DONE' }, 'Invalid value "DONE" for parameter \'status\''],
    ['runs/log-metric', { ...metric, key: undefined }, "Missing value for required parameter 'key'"],
    ['runs/log-metric', { ...metric, value: undefined }, "Missing value for required parameter 'value'"],
    [
      'runs/log-metric',
      { ...metric, timestamp: undefined },
      "Missing value for required parameter 'timestamp'",
    ],
    ['runs/log-metric', { ...metric, value: true }, "Invalid value true for parameter 'value' supplied"],
    ['runs/log-metric', { ...metric, step: 'foo' }, 'Invalid value "foo" for parameter \'step\' supplied'],
    ['runs/log-metric', { ...metric, timestamp: -1 }, "Invalid value -1 for parameter 'timestamp' supplied"],
    ['runs/log-metric', { ...metric, run_id: '../x' }, "for parameter 'run_id' supplied"],
    ...['../key', './key', '.', '..', '/key', 'a//b', 'a;b', 'a/'].map((key): [string, object, string] => [
      'runs/log-metric',
      { ...metric, key },
      "for parameter 'key' supplied",
    ]),
    ['runs/log-parameter', { key: 31, value: 'x' }, "Invalid value 31 for parameter 'key' supplied"],
    ['runs/log-parameter', { key: 'k', value: 41 }, "Invalid value 41 for parameter 'value' supplied"],
    ['runs/log-parameter', { key: 'k'.repeat(251), value: '' }, 'exceeds the maximum length of 250'],
    ['runs/set-tag', { key: 'k', value: 41 }, "Invalid value 41 for parameter 'value' supplied"],
    ['runs/log-batch', { metrics: 'foo' }, 'Invalid value "foo" for parameter \'metrics\' supplied'],
    ['runs/log-batch', { metrics: [{ key: 'm', value: 1 }] }, "required parameter 'metrics[0].timestamp'"],
    ['runs/log-batch', { metrics: [{ ...metric, key: '..' }] }, "for parameter 'metrics[0].name' supplied"],
    ['runs/log-batch', { params: [{ value: 'x' }] }, "required parameter 'params[0].key'"],
    ['runs/log-batch', { tags: [{ value: 'x' }] }, "required parameter 'tags[0].key'"],
    ['runs/log-batch', { metrics: many(1001, () => metric) }, 'at most 1000 metrics. Got 1001'],
    [
      'runs/log-batch',
      { params: many(101, (i) => ({ key: `k${i}`, value: '' })) },
      'at most 100 params. Got 101',
    ],
    ['runs/log-batch', { tags: many(101, (i) => ({ key: `k${i}` })) }, 'at most 100 tags. Got 101'],
    [
      'runs/log-batch',
      { metrics: many(950, () => metric), tags: many(51, (i) => ({ key: `k${i}` })) },
      'at most 1000 metrics, params, and tags. Got 1001',
    ],
    ['runs/log-inputs', { datasets: 'x' }, 'Invalid value "x" for parameter \'datasets\' supplied'],
    ['runs/log-inputs', { datasets: [{}] }, "required parameter 'datasets[0].dataset'"],
    ['runs/log-model', { model_json: '{' }, 'is not valid JSON'],
    ['runs/log-model', { model_json: '{}' }, 'missing mandatory fields'],
    ['runs/search', { max_results: 0 }, "for parameter 'max_results' supplied"],
    ['runs/search', { max_results: 50_001 }, "for parameter 'max_results' supplied"],
    ['runs/search', { filter: 'this is no filter' }, 'the filter'],
    ['runs/search', { order_by: ['metrics.a', 'metrics.a'] }, 'duplicate'],
    ['runs/search', { experiment_ids: ['x'] }, "for parameter 'experiment_ids[0]' supplied"],
    ['experiments/search', {}, "Missing value for required parameter 'max_results'"],
    ['experiments/search-datasets', {}, 'at least one experiment_id'],
  ])('%s of %j', async (path, body, told) => {
    const { status, body: answer } = await post(path, path.startsWith('runs/') ? { run_id, ...body } : body);
    expect([status, answer.error_code]).toEqual([400, INVALID]);
    expect(answer.message).toContain(told);
  });

  it('reads what it cannot read as an empty request, and refuses other content types', async () => {
    const send = (text: string, type: string) =>
      t.call<MlflowError>('POST', `${PREFIX}/runs/search`, text, { headers: { 'content-type': type } });
    for (const text of ['not json', '"not json"', '[]', ''])
      expect((await send(text, 'application/json')).status).toBe(200);
    expect((await send('"{\\"max_results\\": 0}"', 'application/json; charset=utf-8')).status).toBe(400);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      const { status, body } = await send('{}', type);
      expect([status, body.error_code]).toEqual([400, INVALID]);
      expect(body.message).toContain('Content-Type');
    }
  });

  it('knows runs and routes that are not there', async () => {
    for (const body of [{ run_id: 'run_0' }, { run_uuid: 'f'.repeat(32) }]) {
      const { status, body: answer } = await post('runs/log-parameter', { key: 'k', value: 'v', ...body });
      expect([status, answer.error_code]).toEqual([404, 'RESOURCE_DOES_NOT_EXIST']);
    }
    const missing = await post('runs/explode', {});
    expect([missing.status, missing.body.error_code]).toEqual([404, 'ENDPOINT_NOT_FOUND']);
  });

  it('takes either name of the id of a run, and ignores what it does not know', async () => {
    const body = { run_uuid: run_id, key: 'either', value: 'v', other: { deep: [1] } };
    expect((await post('runs/log-parameter', body)).status).toBe(200);
  });

  it('says of itself what clients ask for', async () => {
    expect((await t.call('GET', '/health')).text).toBe('OK');
    expect((await t.call('GET', '/version')).text).toMatch(/^\d+\.\d+\.\d+$/);
    const info = await t.call<object>('GET', '/api/3.0/mlflow/server-info');
    expect(info.body).toEqual({ store_type: 'SqlStore', workspaces_enabled: false });
  });

  it('asks for a token where there are some, by Bearer or as the password of Basic', async () => {
    const made = await t.call<{ token: string }>('POST', '/api/v1/tokens', { name: 'me', scopes: ['user'] });
    const { token } = made.body.token === undefined ? { token: '' } : made.body;
    const admin = await t.call<{ token: string }>('POST', '/api/v1/tokens', {
      name: 'boss',
      scopes: ['admin'],
    });
    const secret = token === '' ? admin.body.token : token;
    const search = (authorization?: string) =>
      t.call<MlflowError>(
        'POST',
        `${PREFIX}/runs/search`,
        {},
        authorization === undefined ? {} : { headers: { authorization } },
      );
    const refused = await search();
    expect([refused.status, refused.body.error_code]).toEqual([401, 'UNAUTHENTICATED']);
    expect((await search(`Bearer ${secret}`)).status).toBe(200);
    expect((await search(`Basic ${Buffer.from(`any:${secret}`).toString('base64')}`)).status).toBe(200);
    expect((await search(`Basic ${Buffer.from('any:wrong').toString('base64')}`)).status).toBe(401);
  });
});
