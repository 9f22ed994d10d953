import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TrainyardError } from '@trainyard/protocol';
import { askPostmaster } from './ask-postmaster.ts';
import { inUseError } from './owner-lock.ts';
import { type PostmasterFile, readPostmasterFile } from './postmaster-file.ts';

const POLL_MS = 20;

/** A former server is stopped by its own watchdog; only if that is gone too do we press, step by step. */
const PRESSURE: readonly { readonly afterMs: number; readonly signal: NodeJS.Signals }[] = [
  { afterMs: 5_000, signal: 'SIGINT' },
  { afterMs: 7_000, signal: 'SIGQUIT' },
  { afterMs: 12_000, signal: 'SIGKILL' },
];
/** One that still serves after this time got no request to stop, so its watchdog is gone. */
const SERVING_PATIENCE_MS = 1_000;
const GIVE_UP_AFTER_MS = 30_000;

/**
 * Waits until no process of a former server works on the cluster, then removes the lock files it left: the
 * pids in them may belong to others by now, and PostgreSQL would refuse to start because of them. The
 * caller holds the ownership, so the former server's parent is dead.
 *
 * @throws TrainyardError EMBEDDED_DATABASE_IN_USE for a server that somebody started by hand, or one that
 *   does not go.
 */
export async function clearFormerPostmaster(params: {
  readonly clusterDirectory: string;
  readonly directory: string;
  readonly log: (line: string) => void;
}): Promise<void> {
  const { clusterDirectory } = params;
  const begin = performance.now();
  let step = 0;
  for (;;) {
    const file = readPostmasterFile(clusterDirectory);
    if (file === undefined) return;
    const present = await findProcesses(file, clusterDirectory);
    if (present.byHand) throw inUseError(params.directory, file.pid);
    if (present.pids.length === 0) {
      removeLockFiles(file, clusterDirectory);
      return;
    }
    const waitedMs = performance.now() - begin;
    if (waitedMs > GIVE_UP_AFTER_MS) throw stuckError(params.directory, present.pids);
    const pressure = PRESSURE[step];
    const patienceMs = step === 0 && present.serving ? SERVING_PATIENCE_MS : pressure?.afterMs;
    if (pressure !== undefined && patienceMs !== undefined && waitedMs > patienceMs) {
      step += 1;
      params.log(`a former database server (process ${file.pid}) does not stop; sending ${pressure.signal}`);
      press(present.pids, file.pid, pressure.signal);
    }
    await delay(POLL_MS);
  }
}

interface Present {
  /** Pids that work on the cluster, the postmaster's among them if it is alive. */
  readonly pids: readonly number[];
  readonly serving: boolean;
  /** It was not started by a Trainyard server. */
  readonly byHand: boolean;
}

async function findProcesses(file: PostmasterFile, clusterDirectory: string): Promise<Present> {
  const answer =
    file.socketDirectory === '' ? undefined : await askPostmaster(file.socketDirectory, file.port);
  if (answer?.kind === 'serving' && answer.dataDirectory === clusterDirectory) {
    return { pids: [file.pid], serving: true, byHand: answer.ownerId === undefined };
  }
  const onLinux = process.platform === 'linux';
  const pids = onLinux ? processesIn(clusterDirectory) : isPostgres(file.pid) ? [file.pid] : [];
  return { pids, serving: false, byHand: false };
}

/** On Linux each process of a server can be told by its working directory, which is the cluster. */
function processesIn(clusterDirectory: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => linkTarget(`/proc/${name}/cwd`) === clusterDirectory)
    .filter((name) => basename(linkTarget(`/proc/${name}/exe`)).startsWith('postgres'))
    .map(Number);
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function isPostgres(pid: number): boolean {
  try {
    const command = execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' });
    return basename(command.trim()).startsWith('postgres');
  } catch {
    return false;
  }
}

/** The postmaster passes a shutdown on to its children; only when it is gone are they signalled. */
function press(pids: readonly number[], postmasterPid: number, signal: NodeJS.Signals): void {
  const targets = pids.includes(postmasterPid) && signal !== 'SIGKILL' ? [postmasterPid] : pids;
  for (const pid of targets) {
    try {
      process.kill(pid, signal);
    } catch {
      // Gone meanwhile.
    }
  }
}

function removeLockFiles(file: PostmasterFile, clusterDirectory: string): void {
  rmSync(join(clusterDirectory, 'postmaster.pid'), { force: true });
  if (file.socketDirectory === '') return;
  const socket = join(file.socketDirectory, `.s.PGSQL.${file.port}`);
  rmSync(socket, { force: true });
  rmSync(`${socket}.lock`, { force: true });
}

function stuckError(directory: string, pids: readonly number[]): TrainyardError {
  return new TrainyardError(
    'EMBEDDED_DATABASE_IN_USE',
    `The embedded database in ${directory} is still held by processes of a former server that do not end ` +
      `(${pids.join(', ')}). They may wait for a disk; end them, then start again.`,
    { details: { directory, pids } },
  );
}
