import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import type { Artifact, ArtifactList, ArtifactUpload, ErrorBody } from '@trainyard/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { ArtifactCollector } from '../artifacts/collect-artifacts.ts';
import { createDirectoryBlobStore } from '../artifacts/directory-blob-store.ts';
import { createStaging } from '../artifacts/staging.ts';
import { describeDatabases } from '../testing/describe-databases.ts';
import { eventually, startTestServer, type TestServer } from '../testing/test-server.ts';

const SOURCE = 'name: a\nstages:\n  - { name: train, job: { command: x } }\n';
const hashOf = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const DAY = 86_400_000;

describeDatabases('artifacts of runs', (engine) => {
  let t: TestServer;
  let run: string;
  beforeAll(async () => {
    t = await startTestServer(engine);
  });
  beforeEach(async () => {
    run = await t.submit(SOURCE);
  });
  afterAll(() => t.end());

  const at = (path: string, query: Record<string, string | number> = {}) => {
    const search = new URLSearchParams(
      Object.entries(query).map(([key, value]): [string, string] => [key, String(value)]),
    );
    return `/api/v1/runs/${run}/artifacts${path}?${search}`;
  };
  const put = (path: string, content: string | Buffer, id = run) =>
    t.call<Artifact>('PUT', `/api/v1/runs/${id}/artifacts/file?path=${encodeURIComponent(path)}`, content, {
      headers: { 'content-type': 'application/json' },
    });
  const list = async (query: Record<string, string | number> = {}) =>
    (await t.call<ArtifactList>('GET', at('', query))).body;
  const get = (path: string, headers: Record<string, string> = {}, more: Record<string, number> = {}) =>
    t.call<string>('GET', at('/file', { path, ...more }), undefined, { headers });
  const begin = async (wanted: object) => (await t.call<ArtifactUpload>('POST', at('/uploads'), wanted)).body;
  const part = (id: string, offset: number, bytes: Buffer) =>
    t.call<{ receivedBytes: number } & ErrorBody>(
      'PUT',
      `/api/v1/artifact-uploads/${id}?offset=${offset}`,
      bytes,
    );
  const complete = (id: string, sha256: string) =>
    t.call<Artifact & ErrorBody>('POST', `/api/v1/artifact-uploads/${id}/complete`, { sha256 });
  const contents = () => {
    const dir = join(t.dataDir, 'artifacts', 'content');
    return readdirSync(dir, { recursive: true, withFileTypes: true }).filter((each) => each.isFile()).length;
  };
  const collector = () =>
    new ArtifactCollector({
      pool: t.server.database.pool,
      store: createDirectoryBlobStore(join(t.dataDir, 'artifacts', 'content')),
      staging: createStaging(join(t.dataDir, 'artifacts', 'uploads')),
      retention: {},
    });

  it('come back as they were written, as files to be saved', async () => {
    const { status, body } = await put('report/ü"x.html', '<script>alert(1)</script>');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      runId: run,
      path: 'report/ü"x.html',
      version: 1,
      sizeBytes: 25,
      sha256: hashOf('<script>alert(1)</script>'),
      contentType: 'text/html; charset=utf-8',
    });
    const file = await get('report/ü"x.html');
    expect(file.text).toBe('<script>alert(1)</script>');
    expect(file.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-disposition': `attachment; filename="__x.html"; filename*=UTF-8''%C3%BC%22x.html`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'content-length': '25',
    });
    expect((await get('report/ü"x.html', { 'if-none-match': file.headers.etag! })).status).toBe(304);
    expect((await t.call('HEAD', at('/file', { path: 'report/ü"x.html' }))).headers['content-length']).toBe(
      '25',
    );
  });

  it('have versions, of which the same content makes no new one', async () => {
    await put('model.bin', 'one');
    expect((await put('model.bin', 'one')).body.version).toBe(1);
    expect((await put('model.bin', 'two')).body.version).toBe(2);
    expect((await put('model.bin', 'one')).body.version).toBe(3);
    expect((await get('model.bin')).text).toBe('one');
    expect((await get('model.bin', {}, { version: 2 })).text).toBe('two');
    expect((await get('model.bin', {}, { version: 4 })).status).toBe(404);
    const { body } = await t.call<{ items: Artifact[] }>('GET', at('/versions', { path: 'model.bin' }));
    expect(body.items.map(({ version }) => version)).toEqual([3, 2, 1]);
    expect((await list()).items).toMatchObject([{ path: 'model.bin', version: 3, isDir: false }]);
  });

  it('are kept once, whoever has the same', async () => {
    const content = randomBytes(1000);
    const before = contents();
    await put('a', content);
    await put('b/c', content);
    await put('d', content, await t.submit(SOURCE));
    expect(contents()).toBe(before + 1);
  });

  it.each([
    ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=-20', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=9-100', 206, '9', 'bytes 9-9/10'],
    ['bytes=0-0,2-3', 200, '0123456789', undefined],
    ['lines=1-2', 200, '0123456789', undefined],
    ['bytes=10-', 416, undefined, 'bytes */10'],
    ['bytes=-0', 416, undefined, 'bytes */10'],
  ])('answer a request for %s with %i', async (range, status, text, contentRange) => {
    await put('digits', '0123456789');
    const answer = await get('digits', { range });
    expect([answer.status, answer.headers['content-range']]).toEqual([status, contentRange]);
    if (text !== undefined) expect(answer.text).toBe(text);
    expect((await get('digits', { range, 'if-range': '"other"' })).status).toBe(200);
  });

  it('are listed by folder, in pages, without what lies deeper', async () => {
    for (const path of ['b', 'a/x', 'a/y/1', 'a/y/2', 'a.txt', 'a-b', 'a/z', 'c/d/e/f'])
      await put(path, path);
    const names = async (query: Record<string, string | number>) =>
      (await list(query)).items.map(({ path, isDir }) => (isDir ? `${path}/` : path));
    expect(await names({})).toEqual(['a-b', 'a.txt', 'a/', 'b', 'c/']);
    expect(await names({ path: 'a' })).toEqual(['a/x', 'a/y/', 'a/z']);
    expect(await names({ path: 'a/y/' })).toEqual(['a/y/1', 'a/y/2']);
    expect(await names({ path: 'none' })).toEqual([]);
    const paged: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: ArtifactList = await list({ limit: 1, ...(cursor === '' ? {} : { cursor }) });
      paged.push(...page.items.map(({ path }) => path));
      cursor = page.nextCursor;
    }
    expect(paged).toEqual(['a-b', 'a.txt', 'a', 'b', 'c']);
  });

  it('cannot be file and folder at once', async () => {
    await put('a/b', 'x');
    expect((await put('a', 'x')).body).toMatchObject({ error: { code: 'CONFLICT' } });
    expect((await put('a/b/c', 'x')).body).toMatchObject({
      error: { code: 'CONFLICT', message: expect.stringContaining('"a/b"') },
    });
  });

  it.each(['../x', '/etc/passwd', 'a/../../b', '%2e%2e%2fx', 'a\\b', '', 'a//b'])(
    'refuse the path %j and keep nothing',
    async (path) => {
      const before = contents();
      expect((await put(path, 'x')).status).toBe(400);
      expect((await get(path)).status).toBe(400);
      expect((await t.call('POST', at('/uploads'), { path, sizeBytes: 1 })).status).toBe(400);
      expect(contents()).toBe(before);
    },
  );

  it('are deleted by file or folder, and collected when nobody has them any more', async () => {
    const own = randomBytes(100);
    const shared = randomBytes(100);
    await put('a/own', own);
    await put('a/shared', shared);
    const other = await t.submit(SOURCE);
    await put('shared', shared, other);
    const before = contents();
    expect((await t.call('DELETE', at('', { path: 'a' }))).body).toEqual({ removed: 2 });
    expect((await t.call('DELETE', at('', { path: 'a' }))).status).toBe(404);
    await collector().round(Date.now());
    // They may be wanted again at this moment.
    expect(contents()).toBe(before);
    await collector().round(Date.now() + DAY / 2);
    expect(contents()).toBeLessThan(before);
    const { text } = await t.call('GET', `/api/v1/runs/${other}/artifacts/file?path=shared`);
    expect(Buffer.byteLength(text)).toBeGreaterThan(0);
  });

  it('go with their run', async () => {
    await put('a', 'x');
    await begin({ path: 'b', sizeBytes: 10 });
    await t.call('POST', `/api/v1/runs/${run}/cancel`, {});
    await t.treeWhen(run, ({ endedAt }) => endedAt !== null);
    expect((await t.call('DELETE', `/api/v1/runs/${run}`)).status).toBe(204);
    for (const table of ['artifacts', 'artifact_uploads']) {
      const { rows } = await sql`select 1 from ${sql.table(table)} where owner_id = ${run}`.execute(
        t.server.database.kysely,
      );
      expect(rows).toEqual([]);
    }
    expect((await get('a')).status).toBe(404);
  });

  it('come in parts, which may be sent again, and go on where they stopped', async () => {
    const bytes = randomBytes(300_000);
    const upload = await begin({ path: 'big', sizeBytes: bytes.length });
    expect(upload).toMatchObject({ receivedBytes: 0, artifact: null });
    const { id } = upload;
    expect((await part(id, 0, bytes.subarray(0, 100_000))).body).toEqual({ receivedBytes: 100_000 });
    expect((await part(id, 50_000, bytes.subarray(50_000, 200_000))).body).toEqual({
      receivedBytes: 200_000,
    });
    const gap = await part(id, 250_000, bytes.subarray(250_000));
    expect([gap.status, gap.body.error.details]).toEqual([409, { size: 200_000 }]);
    expect((await complete(id, hashOf(bytes))).body.error).toMatchObject({ details: { size: 200_000 } });
    expect((await part(id, 200_000, Buffer.alloc(100_001))).status).toBe(413);
    await part(id, 200_000, bytes.subarray(200_000));
    const done = await complete(id, hashOf(bytes));
    expect(done.body).toMatchObject({ path: 'big', version: 1, sizeBytes: 300_000 });
    expect((await complete(id, hashOf(bytes))).body).toEqual(done.body);
    expect((await t.call<ArtifactUpload>('GET', `/api/v1/artifact-uploads/${id}`)).body.artifact).toEqual(
      done.body,
    );
  });

  it('keep what arrived of a part that broke off', async () => {
    const bytes = randomBytes(500_000);
    const { id } = await begin({ path: 'broken', sizeBytes: bytes.length });
    const sending = httpRequest(`${t.server.url}/api/v1/artifact-uploads/${id}?offset=0`, {
      method: 'PUT',
      headers: { 'content-length': bytes.length, 'content-type': 'application/octet-stream' },
    });
    sending.on('error', () => {});
    sending.write(bytes.subarray(0, 200_000));
    const state = async () => (await t.call<ArtifactUpload>('GET', `/api/v1/artifact-uploads/${id}`)).body;
    await eventually(async () => ((await state()).receivedBytes === 200_000 ? true : undefined));
    sending.destroy();
    expect((await part(id, 200_000, bytes.subarray(200_000))).body).toEqual({ receivedBytes: 500_000 });
    expect((await complete(id, hashOf(bytes))).status).toBe(200);
    expect((await t.call<Artifact>('GET', at('/versions', { path: 'broken' }))).status).toBe(200);
  });

  it('keep nothing of a whole file that broke off, or that is another one than was said', async () => {
    const sending = httpRequest(`${t.server.url}${at('/file', { path: 'whole' })}`, {
      method: 'PUT',
      headers: { 'content-length': 1000 },
    });
    sending.on('error', () => {});
    sending.write('half');
    await eventually(
      () =>
        readdirSync(join(t.dataDir, 'artifacts', 'uploads')).some((id) => id.startsWith('put_')) || undefined,
    );
    sending.destroy();
    await eventually(
      () =>
        readdirSync(join(t.dataDir, 'artifacts', 'uploads')).every((id) => !id.startsWith('put_')) ||
        undefined,
    );
    expect((await get('whole')).status).toBe(404);
    const { id } = await begin({ path: 'other', sizeBytes: 4 });
    await part(id, 0, Buffer.from('same'));
    expect((await complete(id, hashOf('else'))).body.error).toMatchObject({ code: 'CONFLICT' });
    expect((await part(id, 0, Buffer.from('same'))).status).toBe(404);
  });

  it('need no bytes where the content is known, and take empty files', async () => {
    await put('a', 'known');
    const { artifact } = await begin({ path: 'b', sizeBytes: 5, sha256: hashOf('known') });
    expect(artifact).toMatchObject({ path: 'b', version: 1 });
    const empty = await begin({ path: 'empty', sizeBytes: 0, contentType: 'text/x-own' });
    expect((await complete(empty.id, hashOf(''))).status).toBe(200);
    const file = await get('empty');
    expect([file.status, file.text, file.headers['content-type']]).toEqual([200, '', 'text/x-own']);
  });

  it('take two writers of one path at once, each as a version', async () => {
    const wanted = Array.from({ length: 8 }, (_, index) => `content ${index}`);
    const versions = await Promise.all(wanted.map(async (each) => (await put('raced', each)).body.version));
    expect(versions.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('forget uploads that are given up, and what a fault left in the store', async () => {
    const { id } = await begin({ path: 'given-up', sizeBytes: 10 });
    await part(id, 0, Buffer.from('12345'));
    await put('kept', 'kept');
    await collector().round(Date.now() + 4 * DAY);
    expect((await part(id, 5, Buffer.from('67890'))).status).toBe(404);
    expect(readdirSync(join(t.dataDir, 'artifacts', 'uploads'))).toEqual([]);
    expect((await get('kept')).text).toBe('kept');
  });
});
