import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  checkProgramsRun,
  linkLibraries,
  locateEmbeddedBinaries,
  type PostgresBinaries,
} from './binaries.ts';
import { type EmbeddedPostgresOptions, startEmbeddedPostgres } from './embedded-postgres.ts';
import { chownTree } from './placement.ts';
import { systemUsers } from './run-as.ts';
import { holdDatabase, killHard, processesNaming, query, waitUntil } from './testing/database-processes.ts';

const isRoot = process.geteuid?.() === 0;
const nobody = systemUsers().find((user) => user.name === 'nobody') ?? { uid: 65534, gid: 65534 };
/** Nobody has it, so there is no entry in /etc/passwd. */
const UNKNOWN_USER = { uid: 12345, gid: 12345 };

let home: string;
let dataDir: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'trainyard-users-'));
  dataDir = join(home, 'postgres');
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

async function startTwice(options: EmbeddedPostgresOptions): Promise<void> {
  const first = await startEmbeddedPostgres(options);
  await query(first.connection, 'create table kept as select 1 as value');
  await first.stop();
  const second = await startEmbeddedPostgres(options);
  expect(await query(second.connection, 'select value from kept')).toEqual([{ value: 1 }]);
  await second.stop();
  expect(processesNaming(options.dataDir)).toEqual([]);
}

describe.skipIf(!isRoot)('as root', () => {
  it('runs in a directory that is closed to others and leaves the data to root', async () => {
    chmodSync(home, 0o700);
    await startTwice({ dataDir, rootAs: 'namespace' });
    expect(statSync(join(dataDir, 'cluster')).uid).toBe(0);
  });

  it('runs as another user where user namespaces are refused', async () => {
    chmodSync(home, 0o755);
    await startTwice({ dataDir, rootAs: 'user' });
    expect(statSync(join(dataDir, 'cluster')).uid).not.toBe(0);
    expect(lstatSync(join(dataDir, 'cluster')).isDirectory()).toBe(true);
  });

  it('puts the cluster elsewhere when the other user cannot enter the directory', async () => {
    chmodSync(home, 0o700);
    await startTwice({ dataDir, rootAs: 'user' });
    const cluster = realpathSync(join(dataDir, 'cluster'));
    expect(cluster.startsWith(dataDir)).toBe(false);
    expect(statSync(cluster).mode & 0o777).toBe(0o700);
    rmSync(dirname(cluster), { recursive: true });
  });

  it('goes on as another user with a cluster that root made, and stays with that user', async () => {
    chmodSync(home, 0o755);
    await startTwice({ dataDir, rootAs: 'namespace' });
    for (const options of [{ dataDir, rootAs: 'user' as const }, { dataDir }]) {
      const database = await startEmbeddedPostgres(options);
      expect(await query(database.connection, 'select value from kept')).toEqual([{ value: 1 }]);
      await database.stop();
      expect(statSync(join(dataDir, 'cluster')).uid).not.toBe(0);
    }
  });

  it('copies programs that lie in the closed home of another user', async () => {
    const checkout = join(home, 'checkout');
    const binaries = copyOfPrograms(checkout);
    chownTree(checkout, nobody);
    chmodSync(checkout, 0o700);
    vi.stubEnv('XDG_CACHE_HOME', join(home, 'cache'));
    const database = await startEmbeddedPostgres({ dataDir, binaries });
    expect(await query(database.connection, 'select 1 as one')).toEqual([{ one: 1 }]);
    await database.stop();
    const cached = readdirSync(join(home, 'cache', 'trainyard'));
    expect(cached).toEqual([
      expect.stringMatching(/^pg-native-18/),
      expect.stringMatching(/^pg-template-18/),
    ]);
  });
});

describe.skipIf(!isRoot)('as a normal user', () => {
  it.each([
    ['nobody', nobody],
    ['a user without an entry in /etc/passwd', UNKNOWN_USER],
  ])('runs as %s, survives a kill of the parent and keeps the data', async (_name, ids) => {
    const directory = join(home, 'owned');
    chmodSync(home, 0o755);
    mkdirSync(directory, { mode: 0o700 });
    chownSync(directory, ids.uid, ids.gid);

    const first = await holdDatabase(directory, { ids, dataDir: join(directory, 'postgres') });
    expect(first.answer.message).toBeUndefined();
    await query(first.answer.connection!, 'create table kept as select 1 as value');
    expect(statSync(join(directory, 'postgres', 'cluster')).uid).toBe(ids.uid);
    await killHard(first.child);

    const second = await holdDatabase(directory, { ids, dataDir: join(directory, 'postgres') });
    expect(await query(second.answer.connection!, 'select value from kept')).toEqual([{ value: 1 }]);
    await killHard(second.child);
    await waitUntil(() => processesNaming(directory).length === 0, 5_000);
  });

  it('says what to do about a directory that belongs to another user', async () => {
    mkdirSync(dataDir, { mode: 0o700 });
    chmodSync(home, 0o755);
    const { answer } = await holdDatabase(home, { ids: nobody, dataDir });
    expect(answer.message).toMatch(/cannot be used for the embedded database.*--data-dir/);
  });
});

describe('checkProgramsRun', () => {
  it('names --database-url where the programs do not run', () => {
    const binaries = { ...locateEmbeddedBinaries(), binDirectory: home };
    writeFileSync(join(home, 'postgres'), '#!/no/such/loader\n', { mode: 0o755 });
    expect(() => checkProgramsRun(binaries)).toThrow(/cannot be run on this system.*--database-url/);
  });
});

describe('linkLibraries', () => {
  it('creates the links that an install without scripts leaves out', () => {
    const binaries = copyOfPrograms(join(home, 'native'));
    const link = join(home, 'native', 'lib', 'libicuuc.so.60');
    rmSync(link, { force: true });
    expect(linkLibraries(binaries, undefined)).toBe(binaries);
    expect(existsSync(link)).toBe(true);
  });
});

function copyOfPrograms(directory: string): PostgresBinaries {
  const installed = locateEmbeddedBinaries();
  execFileSync('cp', ['-R', installed.nativeDirectory ?? '', directory]);
  return { ...installed, binDirectory: join(directory, 'bin'), nativeDirectory: directory };
}
