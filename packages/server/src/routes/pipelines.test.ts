import type {
  PipelineDiff,
  PipelineRegistered,
  PipelineVersion,
  PipelineVersionInfo,
  RegisteredPipeline,
  RunListItem,
} from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { expectError } from '../testing/expect-error.ts';
import { expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

describeDatabases('registered pipelines', (engine) => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer(engine);
  });
  afterAll(() => t.end());

  const source = (name: string, command = 'true') =>
    `name: ${name}\nparams:\n  n: { type: integer, default: 1 }\nstages:\n  - { name: a, job: { command: "${command}" } }\n`;
  const put = (name: string, body: object, headers: Record<string, string> = {}) =>
    t.call<PipelineRegistered>('PUT', `/api/v1/pipelines/${name}`, body, { headers });
  const get = async <T>(path: string) =>
    expectStatus(await t.call<T>('GET', `/api/v1/pipelines${path}`), 200);

  it('get a version per content, and the same content again is the same version', async () => {
    const first = await put('train', { source: source('train'), note: 'first', baseDir: '/data' });
    expect(first.status).toBe(201);
    expect(first.headers.etag).toBe('"1"');
    expect(first.body).toMatchObject({
      version: 1,
      note: 'first',
      baseDir: '/data',
      isNew: true,
      createdBy: null,
    });
    const again = await put('train', { source: source('train'), note: 'ignored', baseDir: '/data' });
    expect([again.status, again.body.version, again.body.note]).toEqual([200, 1, 'first']);
    expect((await put('train', { source: source('train', 'date'), baseDir: '/data' })).body.version).toBe(2);
    // Going back to an earlier content is a new version, so that the newest is what was registered last.
    expect((await put('train', { source: source('train'), baseDir: '/data' })).body.version).toBe(3);
    expect(await get<RegisteredPipeline>('/train')).toMatchObject({ name: 'train', latestVersion: 3 });
    const { items } = await get<{ items: PipelineVersionInfo[] }>('/train/versions');
    expect(items.map((item) => item.version)).toEqual([3, 2, 1]);
    const second = await get<PipelineVersion>('/train/versions/2');
    expect(second.source).toBe(source('train', 'date'));
    expect(second.definition).toMatchObject({ name: 'train', stages: [{ name: 'a' }] });
    expect((await get<PipelineVersion>('/train/versions/latest')).version).toBe(3);
  });

  it('are compared in two of their versions', async () => {
    await put('compare', { source: source('compare') });
    await put('compare', { source: source('compare', 'date') });
    const diff = await get<PipelineDiff>('/compare/diff?from=1&to=latest');
    expect(diff).toMatchObject({
      from: 'compare@1',
      to: 'compare@2',
      changed: [{ path: 'a', keys: [{ key: 'job.command', from: 'true', to: 'date' }] }],
      text: expect.stringContaining('+  - { name: a'),
    });
    expectError(await t.call('GET', '/api/v1/pipelines/compare/diff?from=1&to=3'), 'NOT_FOUND');
    expectError(await t.call('GET', '/api/v1/pipelines/compare/diff?from=1'), 'INVALID_REQUEST');
  });

  it('refuse a change of another version than the expected one', async () => {
    await put('cas', { source: source('cas') });
    const late = await put('cas', { source: source('cas', 'date'), expectedVersion: 0 });
    expect(expectError(late, 'CONFLICT').message).toContain('newest version is 1');
    expectError(await put('cas', { source: source('cas', 'date') }, { 'if-none-match': '*' }), 'CONFLICT');
    expectError(await put('cas', { source: source('cas', 'date') }, { 'if-match': '"7"' }), 'CONFLICT');
    expectError(await put('cas', { source: source('cas', 'date') }, { 'if-match': 'x' }), 'INVALID_REQUEST');
    const right = await put('cas', { source: source('cas', 'date') }, { 'if-match': '"1"' });
    expect(right.body.version).toBe(2);
    // Who did not get the answer asks again, and learns that it was done.
    const repeated = await put('cas', { source: source('cas', 'date') }, { 'if-match': '"1"' });
    expect([repeated.status, repeated.body.version]).toEqual([200, 2]);
  });

  it('let exactly one of many concurrent changes of a version through', async () => {
    await put('race', { source: source('race') });
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        put('race', { source: source('race', `echo ${i}`), expectedVersion: 1 }),
      ),
    );
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, ...Array(7).fill(409)]);
    expect(await get<RegisteredPipeline>('/race')).toMatchObject({ latestVersion: 2 });
  });

  it('store nothing of a definition with faults, of another name, or of something unknown', async () => {
    expectError(await put('bad', { source: 'name: bad\nstages: []\n' }), 'INVALID_DEFINITION');
    expect(expectError(await put('bad', { source: source('other') }), 'INVALID_REQUEST').message).toContain(
      'other',
    );
    expectError(await t.call('GET', '/api/v1/pipelines/bad'), 'NOT_FOUND');
    expectError(await t.call('GET', '/api/v1/pipelines/bad/versions'), 'NOT_FOUND');
    expectError(await t.call('GET', '/api/v1/pipelines/train/versions/0'), 'INVALID_REQUEST');
    const none = await t.call('GET', '/api/v1/pipelines/train/versions/99');
    expect(expectError(none, 'NOT_FOUND').message).toContain('the newest is 3');
    expectError(await t.call('POST', '/api/v1/pipelines/bad/runs', {}), 'NOT_FOUND');
    expectError(await t.call('POST', '/api/v1/pipelines/bad/archive'), 'NOT_FOUND');
    expectError(await t.call('DELETE', '/api/v1/pipelines/bad'), 'NOT_FOUND');
  });

  it('are listed page by page, the archived ones on request', async () => {
    for (const name of ['list-a', 'list-b', 'list-c']) await put(name, { source: source(name) });
    expectStatus(await t.call('POST', '/api/v1/pipelines/list-b/archive'), 200);
    const list = async (query: string) => {
      const names: string[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page: { items: RegisteredPipeline[]; nextCursor: string | null } = await get(
          `?limit=2${query}${cursor === '' ? '' : `&cursor=${cursor}`}`,
        );
        names.push(...page.items.map((item) => item.name));
        cursor = page.nextCursor;
      }
      return names.filter((name) => name.startsWith('list-'));
    };
    expect(await list('')).toEqual(['list-a', 'list-c']);
    expect(await list('&archived=true')).toEqual(['list-a', 'list-b', 'list-c']);
  });

  it('run in the version asked for, once per idempotency key also when a newer one came between', async () => {
    await put('go', { source: source('go'), baseDir: '/work', fileName: 'go.yaml' });
    await put('go', { source: source('go', 'date'), baseDir: '/work' });
    const run = (body: object, key?: string) =>
      t.call<{ id: string; version: number }>('POST', '/api/v1/pipelines/go/runs', body, {
        headers: key === undefined ? {} : { 'idempotency-key': key },
      });
    const old = await run({ version: 1, params: { n: 5 } });
    expect(old.body.version).toBe(1);
    const tree = await t.tree(old.body.id);
    expect(tree).toMatchObject({ name: 'go', params: { n: 5 }, pipeline: { name: 'go', version: 1 } });
    expect(tree.children[0]).not.toHaveProperty('pipeline');
    const newest = await run({}, 'one');
    expect([newest.status, newest.body.version]).toEqual([201, 2]);
    await put('go', { source: source('go', 'sleep 1'), baseDir: '/work' });
    const again = await run({}, 'one');
    expect([again.status, again.body]).toEqual([200, newest.body]);
    expectError(await run({ params: { n: 2 } }, 'one'), 'IDEMPOTENCY_MISMATCH');
    expectError(await run({ params: { m: 2 } }), 'INVALID_PARAMS');
    const { items } = expectStatus(
      await t.call<{ items: RunListItem[] }>('GET', '/api/v1/runs?pipeline=go'),
      200,
    );
    expect(items.map((item) => item.id).sort()).toEqual([old.body.id, newest.body.id].sort());
    expect(items[0]).toMatchObject({ pipeline: { name: 'go' } });
  });

  it('are deleted when no run is of them, and otherwise archived until registered again', async () => {
    await put('gone', { source: source('gone') });
    expectStatus(await t.call('DELETE', '/api/v1/pipelines/gone'), 204);
    expectError(await t.call('GET', '/api/v1/pipelines/gone/versions/1'), 'NOT_FOUND');
    await put('kept', { source: source('kept') });
    const started = await t.call<{ id: string }>('POST', '/api/v1/pipelines/kept/runs', {});
    const refused = expectError(await t.call('DELETE', '/api/v1/pipelines/kept'), 'CONFLICT');
    expect(refused.message).toContain(started.body.id);
    const archived = await t.call<RegisteredPipeline>('POST', '/api/v1/pipelines/kept/archive');
    expect(archived.body.archivedAt).not.toBeNull();
    expectError(await t.call('POST', '/api/v1/pipelines/kept/runs', {}), 'CONFLICT');
    expect((await put('kept', { source: source('kept') })).body).toMatchObject({ version: 1, isNew: false });
    expectStatus(await t.call('POST', '/api/v1/pipelines/kept/runs', {}), 201);
  });
});

describeDatabases('registering with a token', (engine) => {
  it('notes the name of the token', async () => {
    const t = await startTestServer(engine);
    try {
      const made = await t.call<{ token: string }>('POST', '/api/v1/tokens', {
        name: 'mia',
        scopes: ['user'],
      });
      const body = { source: 'name: x\nstages:\n  - { name: a, job: { command: "true" } }\n' };
      const { token } = made.body;
      const put = await t.call<PipelineRegistered>('PUT', '/api/v1/pipelines/x', body, { token });
      expect(put.body.createdBy).toBe('mia');
    } finally {
      await t.end();
    }
  });
});
