import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { locateEmbeddedBinaries } from './binaries.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import { holdDatabase, killHard, processesNaming, query, waitUntil } from './testing/database-processes.ts';

let home: string;
let dataDir: string;
const running: EmbeddedPostgres[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'trainyard-embedded-'));
  dataDir = join(home, 'postgres');
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((database) => database.stop()));
  rmSync(home, { recursive: true, force: true });
});

async function start(directory = dataDir): Promise<EmbeddedPostgres> {
  const database = await startEmbeddedPostgres({ dataDir: directory });
  running.push(database);
  return database;
}

describe('startEmbeddedPostgres', () => {
  it('keeps data from one start to the next', async () => {
    const first = await start();
    await query(first.connection, 'create table kept as select 7 as value');
    await first.stop();
    const second = await start();
    expect(await query(second.connection, 'select value from kept')).toEqual([{ value: 7 }]);
  });

  it('runs with our settings, on a socket that only this user reaches', async () => {
    const { connection } = await start();
    const rows = await query<{ name: string; setting: string }>(
      connection,
      `select name, current_setting(name) as setting from pg_settings where name in ('listen_addresses',
       'shared_buffers', 'max_connections', 'io_method', 'jit', 'wal_compression', 'fsync', 'synchronous_commit',
       'server_encoding', 'TimeZone')`,
    );
    expect(Object.fromEntries(rows.map((row) => [row.name, row.setting]))).toEqual({
      listen_addresses: '',
      shared_buffers: '64MB',
      max_connections: '60',
      io_method: 'sync',
      jit: 'off',
      wal_compression: 'pglz',
      fsync: 'on',
      synchronous_commit: 'on',
      server_encoding: 'UTF8',
      TimeZone: 'UTC',
    });
    const sorted = await query(
      connection,
      `select string_agg(w, '' order by w) as w from unnest('{ä,b,B,a}'::text[]) w`,
    );
    expect(sorted).toEqual([{ w: 'Babä' }]);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    expect(statSync(connection.host).mode & 0o777).toBe(0o700);
  });

  it('works where the path of the directory is too long for a socket', async () => {
    const long = join(home, 'a'.repeat(120), 'postgres "quoted", really');
    const first = await start(long);
    expect(first.connection.host.startsWith(long)).toBe(false);
    expect(statSync(first.connection.host).mode & 0o777).toBe(0o700);
    await expect(start(long)).rejects.toMatchObject({ code: 'EMBEDDED_DATABASE_IN_USE' });
    await first.stop();
    expect(() => statSync(first.connection.host)).toThrow('ENOENT');
  });

  it('refuses a second start on a directory and leaves the first undisturbed', async () => {
    const first = await start();
    await query(first.connection, 'create table here as select 1 as value');
    await expect(start()).rejects.toMatchObject({
      code: 'EMBEDDED_DATABASE_IN_USE',
      message: expect.stringContaining(`${dataDir} is in use by the running process ${process.pid}`),
    });
    const other = await holdDatabase(dataDir);
    expect(other.answer).toMatchObject({ code: 'EMBEDDED_DATABASE_IN_USE' });
    expect(await query(first.connection, 'select value from here')).toEqual([{ value: 1 }]);
  });

  it('lets exactly one of several servers win that start on an empty directory at the same instant', async () => {
    const holders = await Promise.all([1, 2, 3, 4].map(() => holdDatabase(dataDir)));
    const winners = holders.filter(({ answer }) => answer.connection !== undefined);
    expect(winners).toHaveLength(1);
    const codes = holders.flatMap(({ answer }) => (answer.connection === undefined ? [answer.code] : []));
    expect(codes).toEqual(Array(3).fill('EMBEDDED_DATABASE_IN_USE'));
    await Promise.all(holders.map(({ child }) => killHard(child)));
    await waitUntil(() => processesNaming(dataDir).length === 0, 5_000);
  });

  it('leaves no process and no lock behind in 20 rounds', async () => {
    for (let round = 1; round <= 20; round++) {
      const database = await startEmbeddedPostgres({ dataDir });
      await database.stop();
      expect(await database.exited).toMatchObject({ code: 0, signal: null });
    }
    expect(processesNaming(dataDir)).toEqual([]);
  });

  it('closes open connections when it stops, however long they would last', async () => {
    const database = await start();
    const sleeping = query(database.connection, 'select pg_sleep(600)').catch(
      (error: Error) => error.message,
    );
    await waitUntil(async () => {
      const [row] = await query<{ n: number }>(
        database.connection,
        `select count(*)::int as n from pg_stat_activity where query like '%pg_sleep(600)' and pid <> pg_backend_pid()`,
      );
      return row?.n === 1;
    }, 5_000);
    await database.stop();
    expect(await sleeping).toContain('terminat');
  });

  it('refuses a directory of another major version', async () => {
    await (await start()).stop();
    writeFileSync(join(dataDir, 'cluster', 'PG_VERSION'), '17\n');
    await expect(start()).rejects.toMatchObject({
      code: 'EMBEDDED_DATABASE_VERSION',
      message: expect.stringMatching(/written by PostgreSQL 17; this Trainyard brings PostgreSQL 18/),
    });
  });

  it('refuses a directory that holds other files', async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'thesis.tex'), '');
    await expect(start()).rejects.toMatchObject({ message: expect.stringContaining('found "thesis.tex"') });
    expect(readFileSync(join(dataDir, 'thesis.tex'), 'utf8')).toBe('');
  });

  it('refuses the data directory of another PostgreSQL', async () => {
    mkdirSync(dataDir);
    writeFileSync(join(dataDir, 'PG_VERSION'), '18\n');
    await expect(start()).rejects.toMatchObject({ message: expect.stringContaining('--database-url') });
  });

  it('tells the end of the log when the server does not start', async () => {
    await (await start()).stop();
    appendFileSync(join(dataDir, 'cluster', 'postgresql.conf'), 'no_such_setting = 1\n');
    await expect(start()).rejects.toMatchObject({
      code: 'EMBEDDED_DATABASE_FAILED',
      message: expect.stringContaining('unrecognized configuration parameter "no_such_setting"'),
    });
    expect(processesNaming(dataDir)).toEqual([]);
  });

  it('clears away what a start that was killed had made of a cluster', async () => {
    mkdirSync(join(dataDir, 'cluster.new-0123456789ab', 'base'), { recursive: true });
    const database = await start();
    expect(await query(database.connection, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(() => statSync(join(dataDir, 'cluster.new-0123456789ab'))).toThrow('ENOENT');
  });
});

describe('locateEmbeddedBinaries', () => {
  it('names --database-url where no package exists for the platform', () => {
    expect(() => locateEmbeddedBinaries('linux-mips')).toThrow(/linux-mips.*--database-url/);
  });
});
