import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  DatasetLineage,
  DatasetPreviewAnswer,
  DatasetProfileAnswer,
  DatasetSqlAnswer,
  DatasetSummary,
  DatasetVersionDetails,
} from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { expectError } from '../testing/expect-error.ts';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

const CSV = 'n,label\n1,a\n2,b\n3,a\n';
const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

interface Page {
  items: DatasetVersionDetails[];
  nextCursor: string | null;
}

describeDatabases('dataset routes', (engine) => {
  let dir: string;
  let site: TestServer;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'trainyard-dataset-routes-'));
    await mkdir(join(dir, 'root'));
    site = await startTestServer(engine, { datasetsDirs: [join(dir, 'root')] });
  });
  afterAll(async () => {
    await site.end();
    await rm(dir, { recursive: true, force: true });
  });

  /** Registers a file that lies in the server's directory, or somewhere else. */
  async function register(
    name: string,
    text: string,
    more: object = {},
    place = 'root',
  ): Promise<DatasetVersionDetails> {
    const path = join(dir, place, `${name}-${hashOf(text).slice(0, 8)}.csv`);
    await mkdir(join(dir, place), { recursive: true });
    await writeFile(path, text);
    const version = { sha256: hashOf(text), sizeBytes: Buffer.byteLength(text), path, ...more };
    const { status, body } = await site.call<DatasetVersionDetails>(
      'POST',
      `/api/v1/datasets/${name}/versions`,
      version,
    );
    expect(status).toBe(201);
    return body;
  }
  const get = <T>(path: string) => site.call<T>('GET', `/api/v1/datasets/${path}`);

  it('take names by one rule, say which, and keep what was stored before it readable', async () => {
    const { sha256 } = await register('before', CSV);
    const version = { sha256, sizeBytes: 1, path: '/x.csv' };
    for (const name of ['../x', 'a/b', 'a@b', 'a\u0007', ' a', 'x'.repeat(201)]) {
      const path = `/api/v1/datasets/${encodeURIComponent(name)}/versions`;
      const refused = await site.call('POST', path, version);
      expect(expectError(refused, 'INVALID_REQUEST').message).toContain("a dataset's name has 1 to 200");
    }
    const older = 'older/../name';
    await site.server.database.kysely
      .updateTable('dataset_versions')
      .set({ name: older })
      .where('name', '=', 'before')
      .execute();
    const found = await get<DatasetVersionDetails>(`${encodeURIComponent(older)}/versions/latest`);
    expect(found.body).toMatchObject({ name: older, sha256 });
  });

  it('keep versions of a name, newest first, page by page', async () => {
    for (const text of ['n\n1\n', 'n\n2\n', 'n\n3\n']) await register('paged', text);
    const first = await get<Page>('paged/versions?limit=2');
    expect(first.body.items.map(({ sha256 }) => sha256)).toEqual([hashOf('n\n3\n'), hashOf('n\n2\n')]);
    const second = await get<Page>(`paged/versions?limit=2&cursor=${first.body.nextCursor}`);
    expect(second.body.items.map(({ sha256 }) => sha256)).toEqual([hashOf('n\n1\n')]);
    expect(second.body.nextCursor).toBeNull();
    expect((await get<DatasetSummary>('paged')).body).toMatchObject({
      versions: 3,
      latest: { sha256: hashOf('n\n3\n') },
    });
    expect((await site.call<Page>('GET', '/api/v1/datasets?name=paged')).body.items).toHaveLength(3);
    expect((await get<Page>('paged/versions?cursor=nonsense')).status).toBe(400);
  });

  it('find a version by its first digits, and refuse what is not there', async () => {
    const { sha256 } = await register('found', CSV);
    expect((await get<DatasetVersionDetails>(`found/versions/${sha256.slice(0, 8)}`)).body.sha256).toBe(
      sha256,
    );
    expect((await get<DatasetVersionDetails>('found/versions/latest')).body.sha256).toBe(sha256);
    for (const path of ['nothing', 'found/versions/000000', 'nothing/versions/latest/preview']) {
      expect((await get(path)).status).toBe(404);
    }
    expect((await get('found/versions/xyz')).status).toBe(400);
  });

  it('answer from the file where it may be read', async () => {
    await register('local', CSV);
    const at = 'local/versions/latest';
    expect((await get<DatasetPreviewAnswer>(`${at}/preview?rows=1`)).body).toEqual({
      columns: [
        { name: 'n', type: 'BIGINT' },
        { name: 'label', type: 'VARCHAR' },
      ],
      rows: [{ n: 1, label: 'a' }],
      from: 'file',
    });
    expect((await get(`${at}/count`)).body).toEqual({ rows: 3, from: 'file' });
    const profile = (await get<DatasetProfileAnswer>(`${at}/profile`)).body;
    expect(profile).toMatchObject({
      rows: 3,
      from: 'file',
      columns: [{ name: 'n', mean: 2 }, { name: 'label' }],
    });
    const query = (sql: string) =>
      site.call<DatasetSqlAnswer>('POST', `/api/v1/datasets/${at}/sql`, { sql, limit: 1 });
    expect((await query('select label, sum(n) as s from data group by 1 order by 1')).body).toMatchObject({
      rows: [{ label: 'a', s: 4 }],
      isTruncated: true,
    });
    expect((await query(`select * from read_csv('${join(dir, 'root')}/*.csv')`)).body).toMatchObject({
      error: { code: 'QUERY_INVALID' },
    });
    expect((await query("copy data to '/tmp/out.csv'")).status).toBe(400);
  });

  it('answer from what was registered where the file is elsewhere', async () => {
    const columns = [{ name: 'n', type: 'BIGINT' }];
    await register(
      'remote',
      CSV,
      {
        rows: 3,
        columns,
        profile: { rows: 3, columns: [{ name: 'n', type: 'BIGINT', nulls: 0, distinct: 3 }] },
        preview: { columns, rows: [{ n: 1 }, { n: 2 }] },
      },
      'elsewhere',
    );
    const at = 'remote/versions/latest';
    expect((await get<DatasetPreviewAnswer>(`${at}/preview?rows=1`)).body).toMatchObject({
      rows: [{ n: 1 }],
      from: 'registered',
    });
    expect((await get(`${at}/profile`)).body).toMatchObject({ rows: 3, from: 'registered' });
    expect((await get(`${at}/count`)).body).toEqual({ rows: 3, from: 'registered' });
    const refused = await site.call('POST', `/api/v1/datasets/${at}/sql`, { sql: 'select 1' });
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      expect.stringMatching('--datasets-dir'),
    ]);
    await register('bare', CSV, {}, 'elsewhere');
    expect((await get('bare/versions/latest/preview')).status).toBe(409);
  });

  it('read no file outside of the directory, however it is named', async () => {
    for (const [index, path] of [
      '/etc/passwd',
      `${dir}/root/../elsewhere/x.csv`,
      'relative.csv',
      'http://127.0.0.1/x.csv',
    ].entries()) {
      const name = `outside-${index}`;
      const version = { sha256: '0'.repeat(64), sizeBytes: 1, path, format: 'csv' };
      await site.call('POST', `/api/v1/datasets/${name}/versions`, version);
      expect((await get(`${name}/versions/latest/preview`)).status).toBe(409);
    }
  });

  it('notice a file that was changed since', async () => {
    const { path } = await register('changed', CSV);
    await writeFile(path, CSV.replace('1,a', '9,z'));
    const { status, text } = await get('changed/versions/latest/preview');
    expect([status, text]).toEqual([409, expect.stringMatching('is not what was recorded')]);
  });

  it('tell which runs wrote and read a version, and what else they did', async () => {
    const id = await site.submit(`
name: lineage
stages:
  - { name: make, job: { command: make } }
  - { name: train, dependsOn: [make], job: { command: train } }
`);
    const agent = await site.agent();
    const dataset = (name: string, role: 'input' | 'output') => ({
      name,
      role,
      path: `/data/${name}.csv`,
      sha256: hashOf(name),
      sizeBytes: 1,
      columns: [{ name: 'n', type: 'BIGINT' }],
      format: 'csv',
    });
    const split = { name: 'train', fraction: 0.8, seed: 42, chosenBy: 'default' };
    const make = await agent.take('make');
    await agent.report(make, {
      outcome: 'completed',
      datasets: [dataset('raw', 'input'), dataset('clean', 'output')],
    });
    const train = await agent.take('train');
    await agent.report(train, { outcome: 'completed', datasets: [{ ...dataset('clean', 'input'), split }] });
    await site.treeWhen(id, ({ status }) => status === 'completed');
    const clean = (await get<DatasetVersionDetails>('clean/versions/latest')).body;
    expect(clean.createdBy).toEqual({ runId: make.spec.runId, attemptId: make.spec.attemptId });
    expect([clean.format, clean.columns]).toEqual(['csv', [{ name: 'n', type: 'BIGINT' }]]);
    expect((await get<DatasetVersionDetails>('raw/versions/latest')).body.createdBy).toBeNull();
    const { edges } = (await get<DatasetLineage>('raw/versions/latest/lineage')).body;
    expect(edges.map(({ name, role, path, split: part }) => [name, role, path, part]).sort()).toEqual([
      ['clean', 'input', 'train', split],
      ['clean', 'output', 'make', null],
      ['raw', 'input', 'make', null],
    ]);
    const read = { id: train.spec.runId, role: 'input' };
    await register('extra', CSV, { run: { ...read, split: { name: 'test' } } });
    expect((await get<DatasetLineage>('extra/versions/latest/lineage')).body.edges).toContainEqual(
      expect.objectContaining({ name: 'extra', runId: read.id, split: { name: 'test' } }),
    );
    const missing = {
      sha256: hashOf('x'),
      sizeBytes: 1,
      path: '/x.csv',
      run: { id: 'run_none', role: 'input' },
    };
    expect((await site.call('POST', '/api/v1/datasets/none/versions', missing)).status).toBe(404);
    expect((await get('none')).status).toBe(404);
  });

  it('store nothing of what has not the right form or is too large', async () => {
    const good = { sha256: hashOf('y'), sizeBytes: 1, path: '/y.csv' };
    const big = { columns: [], rows: Array.from({ length: 100 }, () => ({ x: 'x'.repeat(6000) })) };
    for (const [wrong, status] of [
      [{ ...good, sha256: 'ABC' }, 400],
      [{ ...good, extra: 1 }, 400],
      [{ ...good, preview: big }, 413],
    ] as const) {
      expect((await site.call('POST', '/api/v1/datasets/wrong/versions', wrong)).status).toBe(status);
    }
    expect((await get('wrong')).status).toBe(404);
  });
});
