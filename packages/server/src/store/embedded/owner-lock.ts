import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { TrainyardError } from '@trainyard/protocol';

/** Proof that this process, and no other, may run the database in a directory. */
export interface Ownership {
  /** Different for every ownership ever held; the postmaster carries it as a setting. */
  readonly id: string;
  release(): Promise<void>;
}

interface OwnerRecord {
  readonly pid: number;
  readonly socket: string;
  readonly temporaryDirectory: string | undefined;
}

const RECORD_NAME = /^owner\.(\d+)\.json$/;
const MAX_ROUNDS = 100;

/**
 * Takes the sole ownership of `directory`. The owner is alive exactly as long as its socket accepts
 * connections, and the kernel closes that socket with the process, also after kill -9; no pid is trusted.
 *
 * Records are numbered files and the highest number owns. A record is only ever followed by a higher one
 * and never removed while it is the highest, so of two processes that find the same dead owner exactly one
 * can create the next number, and one that comes late with an old number sees the higher one and gives up.
 *
 * @param params.socketDirectory where the socket is made; short, see `temporarySocketDirectory`.
 * @param params.temporaryDirectory removed by a later owner if this one dies without releasing.
 * @throws TrainyardError EMBEDDED_DATABASE_IN_USE when the owner is alive.
 */
export async function acquireOwnership(params: {
  readonly directory: string;
  readonly socketDirectory: string;
  readonly temporaryDirectory: string | undefined;
}): Promise<Ownership> {
  const id = randomBytes(8).toString('hex');
  const socket = join(params.socketDirectory, `owner-${id}.sock`);
  const server = createServer((connection) => connection.destroy());
  server.listen(socket);
  await once(server, 'listening');
  server.unref();

  const draft = join(params.directory, `owner-${id}.draft`);
  const release = async (): Promise<void> => {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    rmSync(draft, { force: true });
  };
  try {
    const record: OwnerRecord = { pid: process.pid, socket, temporaryDirectory: params.temporaryDirectory };
    writeFileSync(draft, JSON.stringify(record), { mode: 0o600 });
    await publish(params.directory, draft);
    rmSync(draft, { force: true });
    return { id, release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** True when a process accepts connections on the unix socket at `path`. */
export function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(path);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', (error: NodeJS.ErrnoException) => {
      // EAGAIN is a full backlog, hence a living listener.
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

async function publish(directory: string, draft: string): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const former = recordNumbers(directory);
    const top = former.at(-1) ?? 0;
    if (top > 0) await refuseIfAlive(directory, top);
    const mine = top + 1;
    if (!linkExclusively(draft, recordPath(directory, mine))) continue;
    if (recordNumbers(directory).at(-1) === mine) {
      for (const number of former) discard(directory, number);
      return;
    }
    rmSync(recordPath(directory, mine), { force: true });
  }
  throw new TrainyardError(
    'EMBEDDED_DATABASE_IN_USE',
    `The database directory ${directory} is being started by several servers at once; this one gave up. ` +
      'Start one server per data directory.',
  );
}

async function refuseIfAlive(directory: string, number: number): Promise<void> {
  const record = readRecord(recordPath(directory, number));
  if (record === undefined || !(await isListening(record.socket))) return;
  throw inUseError(directory, record.pid);
}

/** The refusal that names the directory, the process that holds it, and what to do. */
export function inUseError(directory: string, pid: number): TrainyardError {
  return new TrainyardError(
    'EMBEDDED_DATABASE_IN_USE',
    `The embedded database in ${directory} is in use by the running process ${pid}. ` +
      'Stop that server first, use it instead of starting another, or give this one a directory of its own ' +
      'with --data-dir.',
    { details: { directory, pid } },
  );
}

function recordNumbers(directory: string): number[] {
  return readdirSync(directory)
    .map((name) => Number(RECORD_NAME.exec(name)?.[1] ?? Number.NaN))
    .filter((number) => !Number.isNaN(number))
    .sort((a, b) => a - b);
}

function recordPath(directory: string, number: number): string {
  return join(directory, `owner.${number}.json`);
}

/** Records are complete when they appear under their name, so one that cannot be read has no live owner. */
function readRecord(path: string): OwnerRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as OwnerRecord;
  } catch {
    return undefined;
  }
}

function linkExclusively(existing: string, path: string): boolean {
  try {
    linkSync(existing, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function discard(directory: string, number: number): void {
  const record = readRecord(recordPath(directory, number));
  rmSync(recordPath(directory, number), { force: true });
  if (record === undefined) return;
  rmSync(record.socket, { force: true });
  if (record.temporaryDirectory !== undefined) {
    rmSync(record.temporaryDirectory, { recursive: true, force: true });
  }
}
