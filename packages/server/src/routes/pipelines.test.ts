import type {
  PipelineDiff,
  PipelineRegistered,
  PipelineVersion,
  PipelineVersionInfo,
  RegisteredPipeline,
  RenderedPipeline,
  RunDefinition,
  RunListItem,
  RunPlan,
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

  it('run limited to some stages, and tell beforehand what a run would do', async () => {
    const stages = ['a', 'b'].map((name) => ({ name, job: { command: 'x' } }));
    await put('some', { source: JSON.stringify({ name: 'some', stages }) });
    const at = '/api/v1/pipelines/some/runs';
    const plan = expectStatus(await t.call<RunPlan>('POST', at, { only: ['b'], dryRun: true }), 200);
    expect(plan.stages.map(({ path, outcome }) => [path, outcome])).toEqual([
      ['a', 'skipped'],
      ['b', 'run'],
    ]);
    expect((await t.call<{ items: [] }>('GET', '/api/v1/runs?pipeline=some')).body.items).toEqual([]);
    const { id } = expectStatus(await t.call<{ id: string }>('POST', at, { only: ['b'] }), 201);
    expect((await t.tree(id)).children[0]).toMatchObject({ status: 'skipped', reason: 'not_selected' });
    expectError(await t.call('POST', at, { only: ['c'] }), 'INVALID_REQUEST');
  });

  it('use each other, by name and version, as they are at the moment of a run', async () => {
    const user = (use: string) =>
      `name: user\nstages: [{ name: s, pipeline: { use: ${use}, params: { n: 3 } } }]\n`;
    await put('base', { source: source('base', 'echo old'), baseDir: '/base' });
    const registered = await put('user', { source: user('base') });
    expect(registered.body).toMatchObject({ version: 1, uses: ['base'] });
    const shown = await get<PipelineVersion>('/user/versions/1');
    expect(shown.source).toBe(user('base'));
    expect(shown.definition).toMatchObject({ stages: [{ pipeline: { use: 'base', params: { n: 3 } } }] });
    await put('base', { source: source('base', 'echo new'), baseDir: '/base' });
    const rendered = await t.call<RenderedPipeline>('POST', '/api/v1/pipelines/user/render', { version: 1 });
    expect(rendered.body).toMatchObject({ name: 'user', version: 1, params: {}, uses: [{ use: 'base@2' }] });
    expect(rendered.body.source).toContain('echo new');
    expectError(
      await t.call('POST', '/api/v1/pipelines/base/render', { params: { n: 'x' } }),
      'INVALID_PARAMS',
    );
    const run = await t.call<{ id: string }>('POST', '/api/v1/pipelines/user/runs', {});
    const { body } = await t.call<RunDefinition>('GET', `/api/v1/runs/${run.body.id}/definition`);
    expect(body).toMatchObject({
      source: user('base'),
      uses: [{ use: 'base@2', pipeline: { name: 'base', version: 2 } }],
      definition: {
        stages: [
          {
            pipeline: {
              used: { from: 'base@2', baseDir: '/base' },
              stages: [{ job: { command: 'echo new' } }],
            },
          },
        ],
      },
    });
    expect(expectError(await t.call('DELETE', '/api/v1/pipelines/base'), 'CONFLICT').message).toContain(
      '"user"',
    );
    await put('user', { source: user('base@1') });
    const diff = await get<PipelineDiff>('/user/diff?from=1&to=2');
    expect(diff.changed).toEqual([
      { path: 's', keys: [{ key: 'pipeline.use', from: 'base', to: 'base@1' }] },
    ]);
  });

  it('are refused when what they use is not there, is archived, is a file or is themselves', async () => {
    const refused = async (name: string, use: string) => {
      const body = { source: `name: ${name}\nstages: [{ name: s, pipeline: { use: ${use} } }]\n` };
      return expectError(await put(name, body), 'INVALID_DEFINITION').message;
    };
    expect(await refused('r', 'nothing')).toContain('There is no registered pipeline "nothing"');
    expect(await refused('r', 'train@99')).toContain('has no version 99');
    expect(await refused('r', './file.yaml')).toContain('a registered pipeline cannot use files');
    expect(await refused('r', 'r')).toContain('DAG nesting depth exceeds limit (10): r > r');
    await put('ring-a', { source: source('ring-a') });
    await put('ring-b', { source: 'name: ring-b\nstages: [{ name: s, pipeline: { use: ring-a } }]\n' });
    expect(await refused('ring-a', 'ring-b')).toContain(
      'DAG nesting depth exceeds limit (10): ring-a > ring-b',
    );
    expectStatus(await t.call('POST', '/api/v1/pipelines/ring-a/archive'), 200);
    expect(await refused('r', 'ring-a')).toContain('was archived');
    expectError(await t.call('POST', '/api/v1/pipelines/ring-b/runs', {}), 'INVALID_DEFINITION');
    expectError(await t.call('GET', '/api/v1/pipelines/r'), 'NOT_FOUND');
  });

  it('are checked in files that use them, and files come with the request', async () => {
    await put('checked', { source: source('checked') });
    const body = {
      source:
        'name: p\nstages:\n  - { name: a, pipeline: { use: checked, params: { n: 1 } } }\n  - { name: b, pipeline: { use: ./b/b.yaml } }\n',
      files: { 'b/b.yaml': 'name: b\nstages: [{ name: s, job: { command: x, workingDir: w } }]\n' },
      baseDir: '/work',
    };
    const plan = await t.call('POST', '/api/v1/pipelines/validate', body);
    expect(plan.body).toMatchObject({ name: 'p', stages: 4, depth: 2 });
    const submit = (key: string, changed = {}) =>
      t.call<{ id: string }>(
        'POST',
        '/api/v1/runs',
        { ...body, ...changed },
        { headers: { 'idempotency-key': key } },
      );
    const first = await submit('with files');
    await put('checked', { source: source('checked', 'date') });
    const again = await submit('with files');
    expect([first.status, again.status, again.body.id]).toEqual([201, 200, first.body.id]);
    const other = { files: { 'b/b.yaml': 'name: b\nstages: [{ name: s, job: { command: y } }]\n' } };
    expectError(await submit('with files', other), 'IDEMPOTENCY_MISMATCH');
    const wrong = await t.call('POST', '/api/v1/runs', {
      ...body,
      source: body.source.replace('n: 1', 'n: x'),
    });
    expect(expectError(wrong, 'INVALID_DEFINITION').message).toContain('definition:3:');
    for (const path of ['../b.yaml', '/etc/passwd', 'a/../../b.yaml', 'a\\b.yaml']) {
      expectError(await submit('path', { files: { [path]: 'x' } }), 'INVALID_REQUEST');
    }
    const used = expectError(await t.call('DELETE', '/api/v1/pipelines/checked'), 'CONFLICT');
    expect(used.message).toContain('a run has used it');
    const missing = await submit('missing', { files: {} });
    expect(expectError(missing, 'INVALID_DEFINITION').message).toContain(
      './b/b.yaml did not come with the request',
    );
  });

  it('are deleted when no run is of them, and otherwise archived until registered again', async () => {
    await put('gone', { source: source('gone') });
    expectStatus(await t.call('DELETE', '/api/v1/pipelines/gone'), 204);
    expectError(await t.call('GET', '/api/v1/pipelines/gone/versions/1'), 'NOT_FOUND');
    await put('timed', { source: source('timed') });
    const schedule = { name: 'nightly', pipeline: 'timed', cron: '0 3 * * *' };
    expectStatus(await t.call('POST', '/api/v1/schedules', schedule), 201);
    expect(expectError(await t.call('DELETE', '/api/v1/pipelines/timed'), 'CONFLICT').message).toContain(
      'nightly',
    );
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
        scopes: ['admin'],
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
