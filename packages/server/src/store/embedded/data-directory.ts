import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { TrainyardError } from '@trainyard/protocol';

/**
 * Layout of the directory of an embedded database:
 *
 * - `cluster/` PostgreSQL's own data directory, or a symbolic link to it (see placement.ts);
 * - `run/` its socket, mode 0700. Whoever can enter this directory is the database's owner: connections
 *   need no password ("trust"), and there is no TCP port;
 * - `log/postgres.log`;
 * - `owner.N.json`, `owner-….sock` who runs it now (owner-lock.ts).
 */
export interface DataDirectory {
  readonly path: string;
  readonly logPath: string;
}

const OWN_ENTRY = /^(cluster|cluster\.new-[0-9a-f]+|run|log|owner[.-].*)$/;
const IGNORED_ENTRIES = new Set(['lost+found', '.DS_Store']);

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, with the final zero. */
const SOCKET_PATH_LIMIT_BYTES = 100;
const LONGEST_SOCKET_NAME = 'owner-0123456789abcdef.sock';

/**
 * Creates the directory (0700) where it is missing and checks that it is ours.
 *
 * @throws TrainyardError EMBEDDED_DATABASE_FAILED when other files lie in it or it cannot be used.
 */
export function openDataDirectory(directory: string): DataDirectory {
  const path = resolve(directory);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    refuseForeignContent(path);
    chmodSync(path, 0o700);
    mkdirSync(join(path, 'log'), { recursive: true, mode: 0o700 });
    return { path: realpathSync(path), logPath: join(realpathSync(path), 'log', 'postgres.log') };
  } catch (cause) {
    if (cause instanceof TrainyardError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TrainyardError(
      'EMBEDDED_DATABASE_FAILED',
      `The directory ${path} cannot be used for the embedded database: ${reason}. ` +
        'Make it writable for this user, or choose another with --data-dir.',
      { cause },
    );
  }
}

/** Where the cluster is, links followed; undefined before the first start. */
export function existingCluster(directory: DataDirectory): string | undefined {
  const path = join(directory.path, 'cluster');
  return existsSync(path) ? realpathSync(path) : undefined;
}

/**
 * Refuses a cluster of another major version.
 *
 * @throws TrainyardError EMBEDDED_DATABASE_VERSION, or EMBEDDED_DATABASE_FAILED if it has no version.
 */
export function checkClusterVersion(clusterDirectory: string, expectedMajor: number): void {
  const versionFile = join(clusterDirectory, 'PG_VERSION');
  if (!existsSync(versionFile)) {
    throw new TrainyardError(
      'EMBEDDED_DATABASE_FAILED',
      `${clusterDirectory} is no PostgreSQL data directory: the file PG_VERSION is missing. ` +
        'Restore the directory from a backup, or move it away to start with an empty database.',
    );
  }
  const found = readFileSync(versionFile, 'utf8').trim();
  if (found === String(expectedMajor)) return;
  throw new TrainyardError(
    'EMBEDDED_DATABASE_VERSION',
    `The database in ${clusterDirectory} was written by PostgreSQL ${found}; this Trainyard brings ` +
      `PostgreSQL ${expectedMajor} and cannot open it. Start it with the Trainyard release that wrote it, ` +
      'or with a PostgreSQL server of that version and --database-url, and move the data from there.',
    { details: { found, expected: String(expectedMajor), directory: clusterDirectory } },
  );
}

/**
 * Where the sockets go: undefined when the paths below the data directory are short enough, else a new
 * directory (0700) for temporary files, which the caller has to remove.
 */
export function temporarySocketDirectory(dataDirectory: string): string | undefined {
  if (fits(join(dataDirectory, 'run'))) return undefined;
  const base = fits(join(tmpdir(), 'trainyard-XXXXXX', 'run')) ? tmpdir() : '/tmp';
  return mkdtempSync(join(base, 'trainyard-'));
}

function fits(directory: string): boolean {
  return Buffer.byteLength(join(directory, LONGEST_SOCKET_NAME)) <= SOCKET_PATH_LIMIT_BYTES;
}

function refuseForeignContent(path: string): void {
  const entries = readdirSync(path).filter((name) => !IGNORED_ENTRIES.has(name));
  if (entries.includes('cluster')) return;
  const foreign = entries.find((name) => !OWN_ENTRY.test(name));
  if (foreign === undefined) return;
  const hint = entries.includes('PG_VERSION')
    ? 'It looks like the data directory of another PostgreSQL: run that server and give --database-url.'
    : `Choose an empty directory, for instance ${join(dirname(path), 'trainyard')}, with --data-dir.`;
  throw new TrainyardError(
    'EMBEDDED_DATABASE_FAILED',
    `The directory ${path} is not empty and holds no Trainyard database (found "${foreign}"). ${hint}`,
  );
}
