import { chmodSync, chownSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TrainyardError } from '@trainyard/protocol';
import { askPostmaster } from './ask-postmaster.ts';
import { locateEmbeddedBinaries, type PostgresBinaries } from './binaries.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { type DataDirectory, openDataDirectory, temporarySocketDirectory } from './data-directory.ts';
import { diskSpaceHint } from './disk-space.ts';
import { clearFormerPostmaster } from './former-postmaster.ts';
import { type LogFile, openLogFile } from './log-file.ts';
import { acquireOwnership, type Ownership } from './owner-lock.ts';
import { choosePlacement, type Placement } from './placement.ts';
import { type Postmaster, type PostmasterExit, spawnPostmaster } from './postmaster.ts';
import { readPostmasterFile } from './postmaster-file.ts';
import { DATABASE_NAME, DATABASE_USER, type Settings, SOCKET_PORT, serverSettings } from './settings.ts';

export interface EmbeddedPostgresOptions {
  /** Directory of the database, `<home>/postgres`; created with mode 0700. */
  readonly dataDir: string;
  /** Gets one line for each thing worth telling, such as a recovery. */
  readonly log?: (line: string) => void;
  /** Settings of the server process that differ from ours. */
  readonly settings?: Settings;
  /** Other programs than those of the npm package; the tests run Debian's PostgreSQL 15 this way. */
  readonly binaries?: PostgresBinaries;
  /** Leaves out the other way of running as root; for tests. */
  readonly rootAs?: 'namespace' | 'user';
}

export interface EmbeddedPostgres {
  /** What `pg` needs to connect; `host` is the directory of the unix socket, there is no password. */
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
  };
  /**
   * Stops the server and resolves when its process is gone. Open connections are closed. Also to be called
   * after `exited`, before the directory is started again.
   */
  stop(): Promise<void>;
  /** Settles when the server process ends, whether by `stop` or by itself. Never rejects. */
  readonly exited: Promise<PostmasterExit>;
}

const READY_POLL_MS = 5;
/** Recovery after a crash reads at most about a gigabyte of log; a slow disk needs minutes for it. */
const READY_TIMEOUT_MS = 600_000;
const STILL_STARTING_MS = 10_000;
const LOCK_CONFLICT = /lock file ".*" already exists|pre-existing shared memory block|is still in use/;
const LOCK_CONFLICT_TIMEOUT_MS = 15_000;
const LOCK_CONFLICT_MAX_WAIT_MS = 500;

/**
 * Starts the PostgreSQL server of a data directory, which is created on the first start, and resolves when
 * it answers. The server ends with this process, however that ends. What a former process left behind after
 * a kill is waited for and recovered from.
 *
 * @throws TrainyardError EMBEDDED_DATABASE_UNSUPPORTED no programs for this platform;
 *   EMBEDDED_DATABASE_IN_USE a live server has the directory; EMBEDDED_DATABASE_VERSION it is of another
 *   major version; EMBEDDED_DATABASE_FAILED anything else, with the end of the server's log.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  try {
    return await start(options);
  } catch (cause) {
    if (cause instanceof TrainyardError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TrainyardError(
      'EMBEDDED_DATABASE_FAILED',
      `The embedded database in ${options.dataDir} did not start: ${reason}.${diskSpaceHint(options.dataDir)}`,
      { cause },
    );
  }
}

async function start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const binaries = options.binaries ?? locateEmbeddedBinaries();
  const directory = openDataDirectory(options.dataDir);
  const temporary = temporarySocketDirectory(directory.path);
  const cleanUps: (() => void | Promise<void>)[] = [];
  const cleanUp = async (): Promise<void> => {
    for (const step of cleanUps.splice(0).reverse()) await step();
  };
  try {
    if (temporary !== undefined) cleanUps.push(() => rmSync(temporary, { recursive: true, force: true }));
    const ownership = await acquireOwnership({
      directory: directory.path,
      socketDirectory: temporary ?? directory.path,
      temporaryDirectory: temporary,
    });
    cleanUps.push(() => ownership.release());
    const log = openLogFile(directory.logPath);
    cleanUps.push(() => log.close());
    return await startOwned({ options, binaries, directory, temporary, ownership, log, cleanUp });
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

interface OwnedStart {
  readonly options: EmbeddedPostgresOptions;
  readonly binaries: PostgresBinaries;
  readonly directory: DataDirectory;
  readonly ownership: Ownership;
  readonly log: LogFile;
  /** Directory for sockets if the data directory's path is too long for them. */
  readonly temporary: string | undefined;
  readonly cleanUp: () => Promise<void>;
}

async function startOwned(owned: OwnedStart): Promise<EmbeddedPostgres> {
  const { options, directory, ownership, log } = owned;
  const say = options.log ?? (() => {});
  const placement = choosePlacement({ directory, binaries: owned.binaries, rootAs: options.rootAs });
  const durable = options.settings?.['fsync'] !== 'off';
  const cluster = await openCluster({ directory, placement, durable });
  if (cluster.created) say(`created the embedded database in ${cluster.directory}`);
  const sockets = prepareSocketDirectory(placement, owned.temporary);
  const settings = serverSettings({
    major: placement.binaries.major,
    socketDirectory: sockets,
    ownerId: ownership.id,
    overrides: options.settings ?? {},
  });
  const postmaster = await launch({
    placement,
    cluster,
    settings,
    log,
    say,
    directory,
    sockets,
    id: ownership.id,
  });
  postmaster.unref();
  let stopped: Promise<void> | undefined;
  return {
    connection: { host: sockets, port: SOCKET_PORT, user: DATABASE_USER, database: DATABASE_NAME },
    exited: postmaster.exited,
    stop: () => {
      stopped ??= postmaster.stop().then(owned.cleanUp);
      return stopped;
    },
  };
}

interface Launch {
  readonly placement: Placement;
  readonly cluster: Cluster;
  readonly settings: Settings;
  readonly log: LogFile;
  readonly say: (line: string) => void;
  readonly directory: DataDirectory;
  readonly sockets: string;
  readonly id: string;
}

/** Starts until it runs: processes that are just being reaped may still hold a lock for a moment. */
async function launch(params: Launch): Promise<Postmaster> {
  const begin = performance.now();
  for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, LOCK_CONFLICT_MAX_WAIT_MS)) {
    await clearFormerPostmaster({
      clusterDirectory: params.cluster.directory,
      directory: params.directory.path,
      log: params.say,
    });
    const postmaster = spawnPostmaster({
      placement: params.placement,
      clusterDirectory: params.cluster.directory,
      settings: params.settings,
      log: params.log,
    });
    const exit = await waitUntilReady(postmaster, params);
    if (exit === undefined) {
      const fault = await params.cluster.settled;
      if (fault === undefined) return postmaster;
      await postmaster.stop();
      throw notOnDiskError(params, fault);
    }
    const conflict = LOCK_CONFLICT.test(exit.logTail);
    if (!conflict || performance.now() - begin > LOCK_CONFLICT_TIMEOUT_MS) throw startError(params, exit);
    params.say('the database directory is still locked by a process that ends; trying again');
    await delay(waitMs);
  }
}

/** Undefined once the server answers, or how it ended instead. */
async function waitUntilReady(postmaster: Postmaster, params: Launch): Promise<PostmasterExit | undefined> {
  const begin = performance.now();
  let tellAtMs = STILL_STARTING_MS;
  for (;;) {
    const exit = postmaster.exit();
    if (exit !== undefined) return exit;
    if (await answers(params)) return undefined;
    const waitedMs = performance.now() - begin;
    if (waitedMs > READY_TIMEOUT_MS) {
      await postmaster.stop();
      return postmaster.exited;
    }
    if (waitedMs > tellAtMs) {
      tellAtMs += STILL_STARTING_MS;
      params.say(`the database is still starting: ${params.log.tail().split('\n').at(-1) ?? ''}`);
    }
    await Promise.race([delay(READY_POLL_MS), postmaster.exited]);
  }
}

async function answers(params: Launch): Promise<boolean> {
  if (readPostmasterFile(params.cluster.directory)?.ready !== true) return false;
  const answer = await askPostmaster(params.sockets, SOCKET_PORT);
  return answer.kind === 'serving' && answer.ownerId === params.id;
}

function startError(params: Launch, exit: PostmasterExit): TrainyardError {
  const how = exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
  const end = exit.logTail === '' ? '(its log is empty)' : exit.logTail;
  return new TrainyardError(
    'EMBEDDED_DATABASE_FAILED',
    `The embedded PostgreSQL in ${params.cluster.directory} did not start (${how}).` +
      `${diskSpaceHint(params.cluster.directory)} ` +
      `The end of its log, ${params.log.path}:\n${end}`,
    { details: { directory: params.cluster.directory, logPath: params.log.path } },
  );
}

function notOnDiskError(params: Launch, fault: Error): TrainyardError {
  return new TrainyardError(
    'EMBEDDED_DATABASE_FAILED',
    `The new database in ${params.cluster.directory} could not be written to disk: ` +
      `${fault.message}.${diskSpaceHint(params.cluster.directory)}`,
    { cause: fault },
  );
}

/** The socket's directory, which keeps everybody else out, given to the user PostgreSQL runs as. */
function prepareSocketDirectory(placement: Placement, temporary: string | undefined): string {
  const path = join(temporary ?? placement.stateDirectory, 'run');
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  const { uid, gid } = placement.runAs.ids;
  if (uid !== undefined && gid !== undefined) {
    chownSync(path, uid, gid);
    // That user must be able to pass through.
    if (temporary !== undefined) chmodSync(temporary, 0o711);
  }
  return path;
}
