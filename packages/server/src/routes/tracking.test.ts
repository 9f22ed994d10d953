import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ErrorBody, ModelDetails, ParamImportance, RunComparison, RunTable } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

const MLFLOW = '/api/2.0/mlflow';
const SEARCH = '/api/v1/tracking/runs/search';
let t: TestServer;
const ids: string[] = [];

beforeAll(async () => {
  t = await startTestServer();
  for (let index = 0; index < 12; index += 1) {
    const created = await t.call<{ run: { info: { run_id: string } } }>('POST', `${MLFLOW}/runs/create`, {
      experiment_id: '0',
      run_name: `r${index}`,
      start_time: 1000 + index,
    });
    const id = created.body.run.info.run_id;
    ids.push(id);
    const loss = index === 11 ? 'NaN' : index / 10;
    await t.call('POST', `${MLFLOW}/runs/log-batch`, {
      run_id: id,
      params: [
        { key: 'lr', value: String(index) },
        { key: 'opt', value: index % 2 === 0 ? 'sgd' : 'adam' },
      ],
      metrics: [
        { key: 'loss', value: 9, timestamp: 1, step: 0 },
        { key: 'loss', value: loss, timestamp: 2, step: 1 },
        ...(index === 0 ? [{ key: 'rare', value: 1, timestamp: 1, step: 0 }] : []),
      ],
    });
  }
});
afterAll(() => t.end());

const search = async (request: object) => expectStatus(await t.call<RunTable>('POST', SEARCH, request), 200);

describe('a search of tracked runs', () => {
  it('gives the columns that were asked for', async () => {
    const found = await search({
      filter: 'metrics.loss >= 0.9 OR metrics.rare IS NOT NULL OR params.lr = "11"',
      orderBy: ['metrics.loss'],
      columns: ['metrics.loss', 'metrics.rare', 'params.opt', 'run_name', 'state', 'params."no such"'],
    });
    expect(found).toEqual({
      rows: 4,
      columns: [
        { name: 'run_id', type: 'text', values: [ids[0], ids[9], ids[10], ids[11]] },
        { name: 'metrics.loss', type: 'number', values: [0, 0.9, 1, 'NaN'] },
        { name: 'metrics.rare', type: 'number', values: [1, null, null, null] },
        { name: 'params.opt', type: 'text', values: ['sgd', 'adam', 'sgd', 'adam'] },
        { name: 'run_name', type: 'text', values: ['r0', 'r9', 'r10', 'r11'] },
        { name: 'state', type: 'text', values: Array(4).fill('running') },
        { name: 'params."no such"', type: 'text', values: Array(4).fill(null) },
      ],
      nextCursor: null,
    });
  });

  it('goes on behind a cursor, and is the same by GET', async () => {
    const seen: unknown[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query = new URLSearchParams([
        ['limit', '5'],
        ['orderBy', 'start_time DESC'],
        ['columns', 'run_name'],
        ['experimentIds', '0'],
        ...(cursor === '' ? [] : [['cursor', cursor]]),
      ] as [string, string][]);
      const page: RunTable = expectStatus(await t.call<RunTable>('GET', `${SEARCH}?${query}`), 200);
      seen.push(...page.columns[1]!.values);
      cursor = page.nextCursor;
    }
    expect(seen).toEqual(Array.from({ length: 12 }, (_, index) => `r${11 - index}`));
  });

  it.each([
    [
      { filter: 'metrics.loss >' },
      'INVALID_FILTER',
      'Expected numeric value type for metric. Found the end at character 15',
    ],
    [{ orderBy: ['nix'] }, 'INVALID_FILTER', "Invalid attribute key 'nix'"],
    [{ columns: ['metrics.loss DESC'] }, 'INVALID_REQUEST', 'has a direction'],
    [{ limit: 10_001 }, 'INVALID_REQUEST', 'limit'],
    [{ cursor: 'x' }, 'INVALID_REQUEST', 'cursor'],
  ])('refuses %j', async (request, code, message) => {
    const { status, body } = await t.call<ErrorBody>('POST', SEARCH, request);
    expect(body.error).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(status).toBe(400);
  });

  it('takes every filter of the guide', async () => {
    const guide = readFileSync(
      join(import.meta.dirname, '../../../../docs/guides/searching-runs.md'),
      'utf8',
    );
    const filters = [...guide.matchAll(/^```sql\n([\s\S]*?)^```/gm)]
      .flatMap(([, block = '']) => block.split('\n'))
      .filter((line) => line.trim() !== '' && !line.startsWith('--'));
    expect(filters.length).toBeGreaterThan(15);
    for (const filter of filters) {
      const { body, status } = await t.call<object>('POST', SEARCH, { filter });
      expect({ filter, status, body }).toMatchObject({ filter, status: 200 });
    }
  });

  it('is told which fields there are', async () => {
    const { body } = await t.call<{ items: { text: string }[] }>(
      'GET',
      '/api/v1/tracking/runs/fields?experimentIds=0',
    );
    const known = body.items.map(({ text }) => text);
    expect(known).toEqual(
      expect.arrayContaining(['run_id', 'metrics.loss', 'metrics.rare', 'params.lr', 'datasets.name']),
    );
  });
});

describe('an analysis of tracked runs', () => {
  it('puts runs side by side', async () => {
    const request = { runIds: [ids[3], ids[0]] };
    const compared = expectStatus(
      await t.call<RunComparison>('POST', '/api/v1/tracking/runs/compare', request),
      200,
    );
    expect(compared.runs.map(({ name }) => name)).toEqual(['r3', 'r0']);
    expect(compared.params).toEqual([
      { key: 'lr', isDifferent: true, values: ['3', '0'] },
      { key: 'opt', isDifferent: true, values: ['adam', 'sgd'] },
    ]);
    expect(compared.metrics[0]).toMatchObject({ key: 'loss', goal: 'min', bestRun: 1 });
    const missing = await t.call('POST', '/api/v1/tracking/runs/compare', { runIds: [ids[0], 'run_none'] });
    expect(missing.status).toBe(404);
  });

  it('tells which params matter', async () => {
    const { body } = await t.call<ParamImportance>(
      'GET',
      '/api/v1/tracking/importance?metric=loss&experimentIds=0',
    );
    expect(body).toMatchObject({ metric: 'loss', runs: 11 });
    expect(body.params.map(({ key }) => key)).toEqual(['lr', 'opt']);
    expect(body.params[0]).toMatchObject({ kind: 'number', rankCorrelation: 1 });
    expect(body.params[0]!.explained).toBeGreaterThan(0.6);
    const none = await t.call<ParamImportance>('GET', '/api/v1/tracking/importance?metric=none');
    expect(none.body).toEqual({ metric: 'none', runs: 0, params: [] });
  });
});

describe('registered models', () => {
  it('have aliases that are set and taken away', async () => {
    await t.call('POST', `${MLFLOW}/registered-models/create`, { name: 'my net' });
    await t.call('POST', `${MLFLOW}/model-versions/create`, {
      name: 'my net',
      source: 's3://x',
      run_id: ids[0],
    });
    const set = await t.call<ModelDetails>('PUT', '/api/v1/models/my%20net/aliases/best', { version: 1 });
    expect(set.body).toMatchObject({
      aliases: [{ alias: 'best', version: 1 }],
      versions: [{ version: 1, runId: ids[0] }],
    });
    const listed = await t.call<object>(
      'GET',
      "/api/v1/models?filter=name LIKE 'my%25'".replaceAll(' ', '%20'),
    );
    expect(listed.body).toMatchObject({ items: [{ name: 'my net', latestVersion: 1 }], nextCursor: null });
    expect((await t.call('DELETE', '/api/v1/models/my%20net/aliases/best')).status).toBe(204);
    expect((await t.call('DELETE', '/api/v1/models/my%20net/aliases/best')).status).toBe(404);
    expect((await t.call('PUT', '/api/v1/models/my%20net/aliases/v3', { version: 1 })).status).toBe(400);
    expect((await t.call('PUT', '/api/v1/models/my%20net/aliases/best', { version: 7 })).status).toBe(404);
    expect((await t.call('GET', '/api/v1/models/none')).status).toBe(404);
  });

  it('get a version of a checkpoint, once', async () => {
    await t.server.database.pool.query(
      `insert into model_checkpoints (id, run_id, root_id, path, metrics, size_bytes) values ('ckp_x', $1, $1, '/m/best.pt', '{}', 5)`,
      [ids[1]],
    );
    const register = () =>
      t.call<object>('PUT', '/api/v1/models/from-run/checkpoint', { checkpointId: 'ckp_x' });
    const [first, again] = [await register(), await register()];
    expect(first.body).toMatchObject({
      version: 1,
      runId: ids[1],
      location: '/m/best.pt',
      checkpointId: 'ckp_x',
    });
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body).toEqual(first.body);
    expect(
      (await t.call('PUT', '/api/v1/models/from-run/checkpoint', { checkpointId: 'ckp_none' })).status,
    ).toBe(404);
  });
});
