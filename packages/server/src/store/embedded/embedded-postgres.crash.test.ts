import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { locateEmbeddedBinaries } from './binaries.ts';
import { openDataDirectory } from './data-directory.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import { openLogFile } from './log-file.ts';
import { choosePlacement } from './placement.ts';
import { spawnPostmaster } from './postmaster.ts';
import { readPostmasterFile } from './postmaster-file.ts';
import { serverSettings } from './settings.ts';
import {
  holdDatabase,
  killHard,
  postmasterPid,
  processesNaming,
  query,
  waitUntil,
  watchdogPids,
} from './testing/database-processes.ts';

/** How long a server may outlive its parent. */
const ORPHAN_LIMIT_MS = 5_000;

let home: string;
let dataDir: string;
const running: EmbeddedPostgres[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'trainyard-crash-'));
  dataDir = join(home, 'postgres');
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((database) => database.stop()));
  rmSync(home, { recursive: true, force: true });
});

async function start(): Promise<EmbeddedPostgres> {
  const database = await startEmbeddedPostgres({ dataDir });
  running.push(database);
  return database;
}

describe('a killed database server', () => {
  it('is reported with its signal and recovers on the next start', async () => {
    const first = await start();
    await query(first.connection, 'create table kept as select generate_series(1, 1000) as value');
    process.kill(postmasterPid(dataDir), 'SIGKILL');
    expect(await first.exited).toMatchObject({ code: null, signal: 'SIGKILL' });
    await first.stop();
    const second = await start();
    expect(await query(second.connection, 'select count(*)::int as n from kept')).toEqual([{ n: 1000 }]);
  });

  it('starts although the pid it left belongs to another process now', async () => {
    const first = await start();
    process.kill(postmasterPid(dataDir), 'SIGKILL');
    await first.exited;
    await first.stop();
    const stranger = spawn('sleep', ['600']);
    for (const path of [
      join(dataDir, 'cluster', 'postmaster.pid'),
      join(dataDir, 'run', '.s.PGSQL.5432.lock'),
    ]) {
      const lines = readFileSync(path, 'utf8').split('\n');
      writeFileSync(path, [String(stranger.pid), ...lines.slice(1)].join('\n'));
    }
    const second = await start();
    expect(await query(second.connection, 'select 1 as one')).toEqual([{ one: 1 }]);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    await killHard(stranger);
  });
});

describe('a database whose parent is killed', () => {
  it('stops by itself, and the data is there on the next start', async () => {
    const { child, answer } = await holdDatabase(dataDir);
    await query(answer.connection!, 'create table kept as select 1 as value');
    await killHard(child);
    await waitUntil(() => processesNaming(dataDir).length === 0, ORPHAN_LIMIT_MS);
    expect(existsSync(join(dataDir, 'cluster', 'postmaster.pid'))).toBe(false);
    const database = await start();
    expect(await query(database.connection, 'select value from kept')).toEqual([{ value: 1 }]);
  });

  it('stops although clients are still connected and busy', async () => {
    const { child, answer } = await holdDatabase(dataDir);
    const busy = query(answer.connection!, 'select pg_sleep(600)').catch((error: Error) => error);
    await killHard(child);
    await waitUntil(() => processesNaming(dataDir).length === 0, ORPHAN_LIMIT_MS);
    expect(await busy).toBeInstanceOf(Error);
  });

  it.each(['parent', 'parent and server'] as const)(
    'can be started again at once after kill -9 of %s',
    async (who) => {
      for (let round = 1; round <= 3; round++) {
        const { child, answer } = await holdDatabase(dataDir);
        await query(answer.connection!, 'create table if not exists rounds (n int)');
        await query(answer.connection!, `insert into rounds values (${round})`);
        const server = postmasterPid(dataDir);
        const gone = killHard(child);
        if (who !== 'parent') process.kill(server, 'SIGKILL');
        await gone;
      }
      const database = await start();
      const rows = await query(database.connection, 'select array_agg(n order by n) as n from rounds');
      expect(rows).toEqual([{ n: [1, 2, 3] }]);
    },
  );

  it('is taken over when its watchdog was killed too', async () => {
    const { child, answer } = await holdDatabase(dataDir);
    await query(answer.connection!, 'create table kept as select 1 as value');
    const orphan = postmasterPid(dataDir);
    expect(watchdogPids(dataDir)).toHaveLength(2);
    for (const pid of watchdogPids(dataDir)) process.kill(pid, 'SIGKILL');
    await killHard(child);
    expect(processesNaming(dataDir)).toContain(orphan);
    const database = await start();
    expect(postmasterPid(dataDir)).not.toBe(orphan);
    expect(await query(database.connection, 'select value from kept')).toEqual([{ value: 1 }]);
  });

  it('is not taken from a server that somebody started by hand', async () => {
    const first = await start();
    await first.stop();
    const directory = openDataDirectory(dataDir);
    const settings = serverSettings({
      major: 18,
      socketDirectory: first.connection.host,
      ownerId: '',
      overrides: {},
    });
    const log = openLogFile(directory.logPath);
    const byHand = spawnPostmaster({
      placement: choosePlacement({ directory, binaries: locateEmbeddedBinaries() }),
      clusterDirectory: join(dataDir, 'cluster'),
      settings,
      log,
    });
    await waitUntil(() => readPostmasterFile(join(dataDir, 'cluster'))?.ready === true, 10_000);
    await expect(start()).rejects.toMatchObject({ code: 'EMBEDDED_DATABASE_IN_USE' });
    expect(byHand.exit()).toBeUndefined();
    await byHand.stop();
    log.close();
  });

  it('leaves no record of former owners', async () => {
    for (let round = 1; round <= 3; round++) await killHard((await holdDatabase(dataDir)).child);
    await start();
    const left = readdirSync(dataDir).filter((name) => name.startsWith('owner'));
    expect(left).toEqual([expect.stringMatching(/^owner-.*\.sock$/), 'owner.4.json']);
  });
});
