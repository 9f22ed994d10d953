import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../testing/test-server.ts';

const PREFIX = '/api/2.0/mlflow';

interface Found {
  experiments?: { name: string; experiment_id: string }[];
  next_page_token?: string;
}

describe('a search of experiments by the API of MLflow', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
    for (const [name, tags] of [
      ['b', []],
      ['a', [{ key: 'team', value: 'vision' }]],
      ['C', [{ key: 'team', value: 'speech' }]],
      ['gone', []],
    ] as const) {
      const { body } = await t.call<{ experiment_id: string }>('POST', `${PREFIX}/experiments/create`, {
        name,
        tags,
      });
      if (name === 'gone')
        await t.call('POST', `${PREFIX}/experiments/delete`, { experiment_id: body.experiment_id });
    }
  });
  afterAll(() => t.end());

  async function names(request: object): Promise<string[] | undefined> {
    const { status, body } = await t.call<Found>('POST', `${PREFIX}/experiments/search`, {
      max_results: 100,
      ...request,
    });
    expect(status).toBe(200);
    return body.experiments?.map(({ name }) => name);
  }

  it.each([
    [{}, ['C', 'a', 'b', 'Default']],
    [{ view_type: 'DELETED_ONLY' }, ['gone']],
    [{ view_type: 'ALL', order_by: ['name'] }, ['C', 'Default', 'a', 'b', 'gone']],
    [{ filter: "name ILIKE 'c' OR tags.team = 'vision'", order_by: ['name DESC'] }, ['a', 'C']],
    [{ filter: "NOT (name LIKE 'D%' OR tags.team =~ '^v')", order_by: ['experiment_id'] }, ['b', 'C']],
    [{ filter: "experiment_id IN ('0')" }, ['Default']],
    [{ filter: 'creation_time < 5' }, undefined],
    [{ order_by: ['experiment_id DESC'] }, ['C', 'a', 'b', 'Default']],
  ])('%j', async (request, wanted) => {
    expect(await names(request)).toEqual(wanted);
  });

  it('gives pages, by GET too', async () => {
    const seen: string[] = [];
    for (let token: string | undefined = ''; token !== undefined; ) {
      const query = new URLSearchParams({ max_results: '3', order_by: 'name', page_token: token });
      const { body }: { body: Found } = await t.call<Found>('GET', `${PREFIX}/experiments/search?${query}`);
      seen.push(...(body.experiments ?? []).map(({ name }) => name));
      token = body.next_page_token;
    }
    expect(seen).toEqual(['C', 'Default', 'a', 'b']);
  });

  it.each([
    [{ max_results: 0 }, "Invalid value 0 for parameter 'max_results' supplied"],
    [{ max_results: 50_001 }, "for parameter 'max_results' supplied"],
    [{ max_results: undefined }, "Missing value for required parameter 'max_results'"],
    [{ filter: 'name = 3' }, 'Expected a quoted string value'],
    [{ filter: "nam = 'x'" }, "Invalid attribute key 'nam'"],
    [{ filter: "name = '\0'" }, 'NUL character'],
    [{ order_by: ['name', 'name DESC'] }, 'duplicate fields'],
    [{ page_token: '???' }, 'Invalid page token'],
    [{ view_type: 'MINE' }, "for parameter 'view_type' supplied"],
  ])('refuses %j', async (request, message) => {
    const { status, body } = await t.call<{ error_code: string; message: string }>(
      'POST',
      `${PREFIX}/experiments/search`,
      { max_results: 10, ...request },
    );
    expect(body).toMatchObject({
      error_code: 'INVALID_PARAMETER_VALUE',
      message: expect.stringContaining(message),
    });
    expect(status).toBe(400);
  });
});
