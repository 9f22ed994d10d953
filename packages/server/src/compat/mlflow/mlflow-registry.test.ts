import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../testing/test-server.ts';

const PREFIX = '/api/2.0/mlflow';
type Body = Record<string, unknown>;

let t: TestServer;
beforeAll(async () => {
  t = await startTestServer();
});
afterAll(() => t.end());

async function call(
  method: string,
  path: string,
  request: Body = {},
): Promise<{ status: number; body: Body }> {
  if (method !== 'GET') return t.call<Body>(method, `${PREFIX}/${path}`, request);
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(request)) {
    for (const each of [value].flat()) query.append(name, String(each));
  }
  return t.call<Body>('GET', `${PREFIX}/${path}?${query}`);
}

async function ok<T = Body>(method: string, path: string, request: Body = {}): Promise<T> {
  const { status, body } = await call(method, path, request);
  expect(body).not.toHaveProperty('error_code');
  expect(status).toBe(200);
  return body as T;
}

const newModel = (name: string, more: Body = {}) => ok('POST', 'registered-models/create', { name, ...more });
const newVersion = async (name: string, more: Body = {}) =>
  (await ok<{ model_version: Body }>('POST', 'model-versions/create', { name, source: 's3://b/m', ...more }))
    .model_version;

describe('registered models by the API of MLflow', () => {
  it('are made, found, described, renamed and deleted', async () => {
    const { registered_model: made } = await newModel('life', {
      description: 'd',
      tags: [{ key: 'k', value: 'v' }],
    });
    expect(made).toEqual({
      name: 'life',
      creation_timestamp: expect.any(Number),
      last_updated_timestamp: expect.any(Number),
      description: 'd',
      tags: [{ key: 'k', value: 'v' }],
    });
    await newVersion('life');
    const changed = await ok('PATCH', 'registered-models/update', { name: 'life', description: 'other' });
    expect(changed).toMatchObject({ registered_model: { description: 'other' } });
    await ok('POST', 'registered-models/rename', { name: 'life', new_name: 'later' });
    expect((await call('GET', 'registered-models/get', { name: 'life' })).status).toBe(404);
    const got = await ok('GET', 'registered-models/get', { name: 'later' });
    expect(got).toMatchObject({ registered_model: { latest_versions: [{ name: 'later', version: '1' }] } });
    await ok('DELETE', 'registered-models/delete', { name: 'later' });
    expect((await call('GET', 'model-versions/get', { name: 'later', version: '1' })).status).toBe(404);
    await newModel('later');
    expect(await newVersion('later')).toMatchObject({ version: '1' });
  });

  it('give each version a number of its own, also when many ask at once or one was deleted', async () => {
    await newModel('raced');
    const versions = await Promise.all(Array.from({ length: 12 }, () => newVersion('raced')));
    expect(versions.map(({ version }) => Number(version)).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
    await ok('DELETE', 'model-versions/delete', { name: 'raced', version: '12' });
    expect(await newVersion('raced')).toMatchObject({ version: '13' });
  });

  it('have aliases that move, and go with their version', async () => {
    await newModel('aliased');
    await newVersion('aliased');
    await newVersion('aliased');
    const set = (version: string) =>
      ok('POST', 'registered-models/alias', { name: 'aliased', alias: 'best', version });
    await set('1');
    await set('2');
    const found = await ok('GET', 'registered-models/alias', { name: 'aliased', alias: 'best' });
    expect(found).toMatchObject({ model_version: { version: '2', aliases: ['best'] } });
    expect(await ok('GET', 'registered-models/get', { name: 'aliased' })).toMatchObject({
      registered_model: { aliases: [{ alias: 'best', version: '2' }] },
    });
    expect(await ok('GET', 'registered-models/alias', { name: 'aliased', alias: 'LATEST' })).toMatchObject({
      model_version: { version: '2' },
    });
    await ok('DELETE', 'model-versions/delete', { name: 'aliased', version: '2' });
    const gone = await call('GET', 'registered-models/alias', { name: 'aliased', alias: 'best' });
    expect(gone).toMatchObject({ status: 400, body: { message: 'Registered model alias best not found.' } });
    await ok('DELETE', 'registered-models/alias', { name: 'aliased', alias: 'never' });
  });

  it('move versions through stages', async () => {
    await newModel('staged');
    for (let n = 0; n < 3; n += 1) await newVersion('staged');
    const move = (version: string, stage: string, more: Body = {}) =>
      call('POST', 'model-versions/transition-stage', { name: 'staged', version, stage, ...more });
    await move('1', 'production');
    await move('2', 'Production', { archive_existing_versions: true });
    const latest = async (stages: string[]) =>
      (
        await ok<{ model_versions?: Body[] }>('POST', 'registered-models/get-latest-versions', {
          name: 'staged',
          stages,
        })
      ).model_versions?.map(({ version, current_stage: stage }) => `${version} ${stage}`);
    expect(await latest([])).toEqual(['3 None', '2 Production', '1 Archived']);
    expect(await latest(['PRODUCTION'])).toEqual(['2 Production']);
    expect(await latest(['Staging'])).toBeUndefined();
    expect((await move('1', 'Somewhere')).body['message']).toContain(
      'Invalid Model Version stage: Somewhere',
    );
    expect((await move('1', 'Archived', { archive_existing_versions: true })).body['message']).toContain(
      'cannot archive',
    );
  });

  it('have tags, as their versions have', async () => {
    await newModel('tagged');
    await newVersion('tagged', {
      tags: [
        { key: 'a', value: '1' },
        { key: 'a', value: '2' },
      ],
    });
    const version = { name: 'tagged', version: '1' };
    await ok('POST', 'registered-models/set-tag', { name: 'tagged', key: 'x', value: 'y' });
    await ok('POST', 'model-versions/set-tag', { ...version, key: 'b', value: 'w'.repeat(100_000) });
    await ok('DELETE', 'model-versions/delete-tag', { ...version, key: 'never' });
    const got = await ok<{ model_version: { tags: Body[] } }>('GET', 'model-versions/get', version);
    expect(got.model_version.tags).toEqual([
      { key: 'a', value: '2' },
      { key: 'b', value: 'w'.repeat(100_000) },
    ]);
    await ok('DELETE', 'model-versions/delete-tag', { ...version, key: 'b' });
    await ok('DELETE', 'registered-models/delete-tag', { name: 'tagged', key: 'x' });
    expect(await ok('GET', 'registered-models/get', { name: 'tagged' })).not.toHaveProperty(
      'registered_model.tags',
    );
  });

  it('are searched, with their versions', async () => {
    for (const name of ['s-b', 's-a', 's-C']) {
      await newModel(name, { tags: [{ key: 'team', value: name }] });
      await newVersion(name, {
        source: `s3://${name}`,
        run_id: `run-${name}`,
        tags: [{ key: 'q', value: name }],
      });
    }
    await newVersion('s-a', { source: 's3://second' });
    await newModel('s-prompt', { tags: [{ key: 'mlflow.prompt.is_prompt', value: 'true' }] });
    const models = async (request: Body) => {
      const found = await ok<{ registered_models?: Body[] }>('GET', 'registered-models/search', request);
      return found.registered_models?.map(({ name }) => name);
    };
    expect(await models({ filter: "name LIKE 's-%'" })).toEqual(['s-C', 's-a', 's-b']);
    expect(await models({ filter: "name ILIKE 'S-c' OR tags.team = 's-b'", order_by: 'name DESC' })).toEqual([
      's-b',
      's-C',
    ]);
    expect(await models({ filter: "tags.`mlflow.prompt.is_prompt` = 'true'" })).toEqual(['s-prompt']);
    expect(await models({ filter: "name = 'nobody'" })).toBeUndefined();
    const versions = async (request: Body) => {
      const found = await ok<{ model_versions?: Body[] }>('GET', 'model-versions/search', request);
      return found.model_versions?.map(({ name, version }) => `${name}/${version}`);
    };
    expect(await versions({ filter: "name LIKE 's-%'" })).toEqual(['s-a/2', 's-C/1', 's-a/1', 's-b/1']);
    expect(await versions({ filter: "run_id IN ('run-s-a', 'run-s-b')", order_by: 'name ASC' })).toEqual([
      's-a/1',
      's-b/1',
    ]);
    expect(await versions({ filter: "name LIKE 's-%' AND version_number > 1" })).toEqual(['s-a/2']);
    expect(
      await versions({ filter: "source_path = 's3://second' OR tags.q = 's-C'", order_by: 'version_number' }),
    ).toEqual(['s-C/1', 's-a/2']);
    const first = await ok<{ next_page_token: string }>('GET', 'model-versions/search', {
      filter: "name LIKE 's-%'",
      max_results: 3,
    });
    expect(
      await versions({ filter: "name LIKE 's-%'", max_results: 3, page_token: first.next_page_token }),
    ).toEqual(['s-b/1']);
  });

  it.each([
    ['POST', 'registered-models/create', {}, 400, "Missing value for required parameter 'name'"],
    ['POST', 'registered-models/create', { name: 3 }, 400, "Invalid value 3 for parameter 'name' supplied"],
    ['POST', 'registered-models/create', { name: 'a/b' }, 400, "Names cannot contain '/' or ':'"],
    ['POST', 'registered-models/create', { name: '..' }, 400, "for parameter 'name' supplied"],
    ['POST', 'registered-models/create', { name: 'tagged' }, 400, 'already exists'],
    ['POST', 'registered-models/rename', { name: 'tagged', new_name: ' ' }, 400, "parameter 'new_name'"],
    ['POST', 'registered-models/rename', { name: 'tagged', new_name: 'staged' }, 400, 'already exists'],
    ['GET', 'registered-models/get', { name: 'never' }, 404, 'Registered Model with name=never not found'],
    ['DELETE', 'registered-models/delete', { name: 'never' }, 404, 'not found'],
    ['GET', 'registered-models/search', { max_results: 1001 }, 400, "for parameter 'max_results' supplied"],
    ['GET', 'registered-models/search', { filter: 'name = 1' }, 400, 'Expected a quoted string value'],
    ['GET', 'registered-models/search', { order_by: 'tags.x' }, 400, "Invalid entity type 'tags'"],
    [
      'POST',
      'model-versions/create',
      { name: 'never', source: 's3://x' },
      404,
      'Registered Model with name=never not found',
    ],
    [
      'POST',
      'model-versions/create',
      { name: 'tagged', source: '/etc/passwd' },
      400,
      'To use a local path as a model version source',
    ],
    [
      'POST',
      'model-versions/create',
      { name: 'tagged', source: 'mlflow-artifacts:/..%252f..%252fx' },
      400,
      'relative path references',
    ],
    ['POST', 'model-versions/create', { name: 'tagged', source: 'models:/tagged/77' }, 404, 'not found'],
    [
      'GET',
      'model-versions/get',
      { name: 'tagged', version: 'x' },
      400,
      "Parameter 'version' must be an integer",
    ],
    [
      'GET',
      'model-versions/get',
      { name: 'tagged', version: '9' },
      404,
      'Model Version (name=tagged, version=9) not found',
    ],
    [
      'POST',
      'registered-models/alias',
      { name: 'tagged', alias: 'latest', version: '1' },
      400,
      'is reserved',
    ],
    ['POST', 'registered-models/alias', { name: 'tagged', alias: 'v12', version: '1' }, 400, 'is reserved'],
    [
      'POST',
      'registered-models/alias',
      { name: 'tagged', alias: 'a b', version: '1' },
      400,
      'Invalid alias name',
    ],
    [
      'POST',
      'registered-models/alias',
      { name: 'tagged', alias: 'a'.repeat(256), version: '1' },
      400,
      'maximum length',
    ],
    [
      'POST',
      'model-versions/set-tag',
      { name: 'tagged', version: '1', key: 'k', value: 'w'.repeat(100_001) },
      400,
      'maximum length',
    ],
  ] as const)('refuses %s %s %j', async (method, path, request, status, message) => {
    const answer = await call(method, path, request);
    expect(answer.body).toMatchObject({ message: expect.stringContaining(message) });
    expect(answer.status).toBe(status);
  });
});

describe('logged models by the API of MLflow', () => {
  const create = async (more: Body = {}) =>
    (
      await ok<{ model: { info: Body; data: Body } }>('POST', 'logged-models', {
        experiment_id: '0',
        ...more,
      })
    ).model;

  it('are made, finished and deleted, with params and tags', async () => {
    const model = await create({
      name: 'net',
      model_type: 'T',
      params: [{ key: 'lr', value: '1' }],
      tags: [{ key: 'a', value: 'b' }],
    });
    const id = String(model.info['model_id']);
    expect(model).toEqual({
      info: {
        model_id: expect.stringMatching(/^m-[0-9a-f]{32}$/),
        experiment_id: '0',
        name: 'net',
        creation_timestamp_ms: expect.any(Number),
        last_updated_timestamp_ms: expect.any(Number),
        artifact_uri: `mlflow-artifacts:/0/models/${id}/artifacts`,
        status: 'LOGGED_MODEL_PENDING',
        model_type: 'T',
        tags: [{ key: 'a', value: 'b' }],
      },
      data: { params: [{ key: 'lr', value: '1' }] },
    });
    await ok('POST', `logged-models/${id}/params`, {
      params: [
        { key: 'lr', value: '1' },
        { key: 'bs', value: '8' },
      ],
    });
    const other = await call('POST', `logged-models/${id}/params`, {
      params: [
        { key: 'new', value: '' },
        { key: 'lr', value: '2' },
      ],
    });
    expect(other).toMatchObject({ status: 400, body: { error_code: 'INVALID_PARAMETER_VALUE' } });
    await ok('PATCH', `logged-models/${id}/tags`, {
      tags: [
        { key: 'a', value: 'c' },
        { key: 'x y/z', value: '1' },
      ],
    });
    await ok('DELETE', `logged-models/${id}/tags/${encodeURIComponent('x y/z')}`);
    expect((await call('DELETE', `logged-models/${id}/tags/never`)).status).toBe(404);
    for (const status of ['LOGGED_MODEL_READY', 2, '2']) {
      const finished = await ok('PATCH', `logged-models/${id}`, { status });
      expect(finished).toMatchObject({ model: { info: { status: 'LOGGED_MODEL_READY' } } });
    }
    expect(await ok('GET', `logged-models/${id}`)).toMatchObject({
      model: {
        info: { tags: [{ key: 'a', value: 'c' }] },
        data: {
          params: [
            { key: 'bs', value: '8' },
            { key: 'lr', value: '1' },
          ],
        },
      },
    });
    await ok('DELETE', `logged-models/${id}`);
    expect((await call('GET', `logged-models/${id}`)).status).toBe(404);
    await ok('GET', `logged-models/${id}`, { allow_deleted: 'true' });
  });

  it('become versions of registered models', async () => {
    await newModel('from-logged');
    const { info } = await create({ name: 'source', source_run_id: 'run_x' });
    const id = String(info['model_id']);
    const version = await newVersion('from-logged', { source: `models:/${id}`, model_id: id });
    expect(version).toMatchObject({ run_id: 'run_x', model_id: id, source: `models:/${id}` });
    const where = await ok('GET', 'model-versions/get-download-uri', { name: 'from-logged', version: '1' });
    expect(where).toEqual({ artifact_uri: `mlflow-artifacts:/0/models/${id}/artifacts` });
    expect(await ok('GET', `logged-models/${id}`)).toMatchObject({
      model: {
        info: { tags: [{ key: 'mlflow.modelVersions', value: '[{"name":"from-logged","version":1}]' }] },
      },
    });
    // What is no list counts as none, and versions that are made at once are all in it.
    await ok('PATCH', `logged-models/${id}/tags`, { tags: [{ key: 'mlflow.modelVersions', value: 'no' }] });
    const names = ['noted-1', 'noted-2', 'noted-3', 'noted-4'];
    for (const name of names) await newModel(name);
    await Promise.all(names.map((name) => newVersion(name, { source: `models:/${id}`, model_id: id })));
    const { model } = await ok<{ model: { info: { tags: { value: string }[] } } }>(
      'GET',
      `logged-models/${id}`,
    );
    const noted = JSON.parse(model.info.tags[0]!.value) as { name: string }[];
    expect(noted.map(({ name }) => name).sort()).toEqual(names);
    const copy = await newVersion('from-logged', { source: 'models:/from-logged/1' });
    expect(copy).toMatchObject({ version: '2', run_id: 'run_x' });
    expect(await ok('GET', 'model-versions/get-download-uri', { name: 'from-logged', version: '2' })).toEqual(
      where,
    );
  });

  it('have the metrics that were logged with them', async () => {
    const { run } = await ok<{ run: { info: Body } }>('POST', 'runs/create', { experiment_id: '0' });
    const runId = run.info['run_id'];
    const names = ['good', 'bad'];
    const ids: string[] = [];
    for (const [index, name] of names.entries()) {
      const { info } = await create({ name, source_run_id: runId });
      const metric = {
        key: 'acc',
        value: index === 0 ? 0.9 : 'NaN',
        timestamp: 5,
        model_id: info['model_id'],
      };
      for (let again = 0; again < 2; again += 1) {
        await ok('POST', 'runs/log-batch', {
          run_id: runId,
          metrics: [{ ...metric, step: 1, dataset_name: 'd' }],
        });
      }
      await ok('POST', 'runs/log-metric', { run_id: runId, ...metric, step: 2, dataset_name: name });
      ids.push(String(info['model_id']));
    }
    const got = await ok<{ model: { data: { metrics: Body[] } } }>('GET', `logged-models/${ids[1]}`);
    expect(got.model.data.metrics).toEqual(
      [1, 2].map((step) => ({
        key: 'acc',
        value: 'NaN',
        timestamp: 5,
        step,
        dataset_name: step === 1 ? 'd' : 'bad',
        model_id: ids[1],
        run_id: runId,
      })),
    );
    const search = async (request: Body) => {
      const found = await ok<{ models?: { info: Body }[] }>('POST', 'logged-models/search', {
        experiment_ids: ['0'],
        ...request,
      });
      return found.models?.map(({ info }) => info['name']);
    };
    expect(await search({ filter: 'metrics.acc > 0.5' })).toEqual(['good']);
    expect(await search({ filter: 'metrics.acc IS NOT NULL', datasets: [{ dataset_name: 'bad' }] })).toEqual([
      'bad',
    ]);
    const order = { field_name: 'metrics.acc', ascending: false };
    expect((await search({ order_by: [order] }))?.slice(0, 2)).toEqual(['good', 'bad']);
    expect((await search({ order_by: [{ ...order, dataset_name: 'bad' }] }))?.[0]).toBe('bad');
  });

  it('are searched', async () => {
    const { experiment_id: experiment } = await ok<{ experiment_id: string }>('POST', 'experiments/create', {
      name: 'logged',
    });
    for (const name of ['one', 'two', 'three']) {
      await create({ experiment_id: experiment, name, params: [{ key: 'n', value: name }] });
    }
    const search = async (request: Body) => {
      const found = await ok<{ models?: { info: Body }[] }>('POST', 'logged-models/search', {
        experiment_ids: [experiment],
        ...request,
      });
      return found.models?.map(({ info }) => info['name']);
    };
    expect(await search({})).toEqual(['three', 'two', 'one']);
    expect(
      await search({ filter: "params.n IN ('one', 'two')", order_by: [{ field_name: 'name' }] }),
    ).toEqual(['one', 'two']);
    expect(
      await search({
        filter: "status = 'PENDING'",
        order_by: [{ field_name: 'creation_time', ascending: true }],
      }),
    ).toEqual(['one', 'two', 'three']);
    expect(await search({ datasets: [{ dataset_name: 'd' }] })).toBeUndefined();
    expect(await search({ order_by: [{ field_name: 'metrics.a b' }], max_results: 2 })).toEqual([
      'three',
      'two',
    ]);
    expect(await search({ experiment_ids: [] })).toBeUndefined();
  });

  it.each([
    ['POST', 'logged-models', {}, 400, "Missing value for required parameter 'experiment_id'"],
    ['POST', 'logged-models', { experiment_id: '77' }, 404, 'No Experiment with id=77 exists'],
    ['POST', 'logged-models', { experiment_id: '0', name: 'a.b' }, 400, 'Invalid model name'],
    ['GET', 'logged-models/m-none', {}, 404, "Logged model with ID 'm-none' not found."],
    ['PATCH', 'logged-models/m-none', { status: 'DONE' }, 400, "for parameter 'status' supplied"],
    ['PATCH', 'logged-models/m-none/tags', { tags: [] }, 404, 'not found'],
    [
      'POST',
      'logged-models/search',
      { experiment_ids: ['0'], datasets: [{}] },
      400,
      '`dataset_name` in the `datasets` clause',
    ],
    [
      'POST',
      'logged-models/search',
      { experiment_ids: ['0'], filter: 'x.y = 3' },
      400,
      "Invalid entity type 'x'",
    ],
    [
      'POST',
      'logged-models/search',
      { experiment_ids: ['0'], order_by: [{ field_name: 'nix' }] },
      400,
      "Invalid attribute key 'nix'",
    ],
  ] as const)('refuses %s %s %j', async (method, path, request, status, message) => {
    const answer = await call(method, path, request);
    expect(answer.body).toMatchObject({ message: expect.stringContaining(message) });
    expect(answer.status).toBe(status);
  });
});
