import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { PrivateHosts } from '@trainyard/datasets';
import { DEFINITION_LIMITS, TrainyardError, VERSION } from '@trainyard/protocol';
import { type Logger, pino } from 'pino';
import { createApp } from './app.ts';
import { openArtifacts } from './artifacts/open-artifacts.ts';
import { createAttempts } from './attempts/attempts.ts';
import { OpenCalls } from './attempts/open-calls.ts';
import { createAuth, isLoopbackHost } from './auth/auth.ts';
import { hasUserTokens } from './auth/lasting-admin.ts';
import { openSecretBox } from './auth/secret-box.ts';
import { startBackground } from './background/start-background.ts';
import { claimDataDir, makeDataDir, refuseUsedDataDir } from './data-dir-claim.ts';
import { createDatasetsOnDisk } from './datasets-on-disk.ts';
import { createDiagnoser } from './diagnosis/diagnoser.ts';
import { createAnnouncedIngest } from './ingest/announced-ingest.ts';
import { createLiveBus } from './live/live-bus.ts';
import { startPeerAnnouncements } from './live/peer-announcements.ts';
import { createOrchestrator } from './orchestrator/orchestrator.ts';
import { createLauncher } from './schedules/launcher.ts';
import { readServerConfig } from './server-config.ts';
import type { ServerContext } from './server-context.ts';
import { createServerMetrics } from './server-metrics.ts';
import { type Database, openDatabase } from './store/database.ts';
import { keepEmbeddedPostgres } from './store/embedded-keeper.ts';
import { migrate } from './store/migrate.ts';
import { createJobTracker } from './tracking/track-jobs.ts';
import { createTracking } from './tracking/tracking.ts';
import { createWebhookSender } from './webhooks/webhook-sender.ts';

export interface ServerOptions {
  /** Holds the embedded database and `server.json`; made when missing. */
  readonly dataDir: string;
  /** A PostgreSQL >= 15 instead of the embedded one. */
  readonly databaseUrl?: string | undefined;
  /** Schema of all tables (default `trainyard`). */
  readonly schema?: string | undefined;
  /** Default 127.0.0.1. Beyond loopback at least one token must exist. */
  readonly host?: string | undefined;
  /** Default 0: any free port. */
  readonly port?: number | undefined;
  /** Directory of the built web page. */
  readonly webDir?: string | undefined;
  readonly logLevel?: string | undefined;
  /** Seals stored secrets; servers of one database need the same. Default: a key kept in the data directory. */
  readonly secretKey?: string | undefined;
  /** Hosts that webhooks may reach although their addresses are private (default none). */
  readonly privateWebhookHosts?: PrivateHosts | undefined;
  /** Directories in which the server may read files of datasets (default none). */
  readonly datasetsDirs?: readonly string[] | undefined;
  /** Levels of pipelines that a definition may have, from 1 to 30 (default 10). Runs that exist stay as they are. */
  readonly maxDepth?: number | undefined;
  /** Path of the configuration file. Default: `config.yaml` in the data directory, if it is there. */
  readonly configFile?: string | undefined;
}

export interface RunningServer {
  readonly url: string;
  /** For the agent that runs beside this server. */
  readonly agentToken: string;
  /** For the command line on this machine. */
  readonly adminToken: string;
  /** True when requests over loopback need no token. */
  readonly isOpen: boolean;
  /** For programs that measure or test the server. */
  readonly database: Database;
  stop(): Promise<void>;
}

const DEFAULT_HOST = '127.0.0.1';
const POOL_SIZE = 20;

/**
 * Starts everything that a server is, in this order: database, migrations, orchestrator, HTTP. Resolves
 * when /readyz answers 200.
 * @throws TrainyardError EMBEDDED_DATABASE_…, DATABASE_…, AUTH_REQUIRED_FOR_HOST, ADDRESS_IN_USE,
 *   USAGE, DATA_DIR_IN_USE another live server has the data directory
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const log = pino({ level: options.logLevel ?? 'warn', base: null }, pino.destination(2));
  const closers: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
      await close().catch((error: unknown) => log.error({ err: error }, 'stopping'));
    }
  };
  try {
    return await assemble(options, log, closers, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function assemble(
  options: ServerOptions,
  log: Logger,
  closers: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<RunningServer> {
  const host = options.host ?? DEFAULT_HOST;
  const maxDepth = checkedMaxDepth(options.maxDepth);
  await makeDataDir(options.dataDir);
  const config = await readServerConfig(options);
  // The embedded database is a lock of the directory itself, but knows nothing of the server that may be used.
  await refuseUsedDataDir(options.dataDir);
  const database = await openStore(options, log, closers);
  await migrate(database);
  const auth = createAuth({ database, isLoopback: isLoopbackHost(host) });
  if (!isLoopbackHost(host) && !(await hasUserTokens(database))) throw authRequired(host);

  const bus = createLiveBus();
  const diagnoser = createDiagnoser({ database, bus, log });
  closers.push(() => diagnoser.idle());
  const ingest = createAnnouncedIngest({
    ...{ database, bus, log, trackRuns: createJobTracker() },
    onPoints: (points) => diagnoser.take(points),
  });
  closers.push(() => ingest.close());
  const tracking = createTracking({ database, ingest, bus });
  closers.push(() => tracking.logger.idle());
  const isEmbedded = options.databaseUrl === undefined;
  const openCalls = new OpenCalls();
  const orchestrator = createOrchestrator({ database, bus, log, exclusive: isEmbedded, openCalls });
  const { failures } = config;
  const attempts = createAttempts({ database, bus, owner: orchestrator, openCalls, failures });
  await orchestrator.start();
  if (!isEmbedded) {
    const peers = await startPeerAnnouncements({ database, bus, log });
    closers.push(() => peers.stop());
  }
  closers.push(() => orchestrator.stop());

  const secrets = await openSecretBox(options);
  const privateHosts = options.privateWebhookHosts ?? [];
  const webhookSender = createWebhookSender({ database, bus, log, secrets, privateHosts });
  const launcher = createLauncher({ database, orchestrator, secrets, maxDepth, bus, log });
  const stopping = new AbortController();
  const { dataDir } = options;
  const artifacts = await openArtifacts({ config, dataDir, pool: database.pool, stopping: stopping.signal });
  let isReady = false;
  const context: ServerContext = {
    database,
    ingest,
    tracking,
    attempts,
    orchestrator,
    auth,
    secrets,
    webhookSender,
    launcher,
    datasets: createDatasetsOnDisk(options.datasetsDirs ?? []),
    ...artifacts,
    maxDepth,
    config,
    bus,
    log,
    info: { version: VERSION, auth: 'open', database: isEmbedded ? 'embedded' : 'external' },
    instanceId: randomUUID(),
    isReady: () => isReady,
  };
  closers.push(startBackground(context));

  const app = await createApp({
    context,
    metrics: createServerMetrics({ bus, orchestrator, database, attempts }),
    webDir: options.webDir,
    stopping: stopping.signal,
  });
  const port = await listen(app, host, options.port ?? 0);
  closers.push(async () => {
    isReady = false;
    stopping.abort();
    await app.close();
  });
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  // Before the tokens: making them revokes those of a server that has the same directory.
  const claim = await claimDataDir(options.dataDir, {
    url,
    pid: process.pid,
    instanceId: context.instanceId,
  });
  closers.push(() => claim.release());
  // Servers that share a database must not replace each other's tokens.
  const place = `of ${hostname()}:${resolve(options.dataDir)}`;
  const adminToken = await auth.createBuiltInToken(`command line ${place}`, 'admin');
  const agentToken = await auth.createBuiltInToken(`agent ${place}`, 'agent');
  await claim.addToken(adminToken);
  isReady = true;
  return { url, agentToken, adminToken, isOpen: await auth.isOpen(), database, stop };
}

async function openStore(
  options: ServerOptions,
  log: Logger,
  closers: (() => Promise<void>)[],
): Promise<Database> {
  let connection: Parameters<typeof openDatabase>[0]['connection'];
  if (options.databaseUrl === undefined) {
    const embedded = await keepEmbeddedPostgres(join(options.dataDir, 'postgres'), log);
    closers.push(() => embedded.stop());
    connection = embedded.connection;
  } else {
    connection = options.databaseUrl;
  }
  const database = await openDatabase({
    connection,
    schema: options.schema ?? 'trainyard',
    maxConnections: POOL_SIZE,
    onConnectionError: (error) => log.warn(`a database connection broke: ${error.message}`),
  });
  closers.push(() => database.close());
  return database;
}

async function listen(
  app: { listen(o: { host: string; port: number }): Promise<string> },
  host: string,
  port: number,
): Promise<number> {
  try {
    const address = await app.listen({ host, port });
    return Number(new URL(address).port);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRNOTAVAIL' || code === 'EACCES' || code === 'ENOTFOUND') {
      throw new TrainyardError(
        'USAGE',
        `Cannot listen on ${host}:${port} (${code}): give a --host that this machine has and a --port that this user may use.`,
        { cause: error },
      );
    }
    if (code !== 'EADDRINUSE') throw error;
    throw new TrainyardError(
      'ADDRESS_IN_USE',
      `Another program listens on ${host}:${port}. Give another --port, or --port 0 for any free one.`,
      { cause: error },
    );
  }
}

/** @throws TrainyardError USAGE */
function checkedMaxDepth(maxDepth: number = DEFINITION_LIMITS.maxDepth): number {
  const { highestMaxDepth } = DEFINITION_LIMITS;
  if (Number.isInteger(maxDepth) && maxDepth >= 1 && maxDepth <= highestMaxDepth) return maxDepth;
  throw new TrainyardError(
    'USAGE',
    `The limit of pipeline levels is ${maxDepth}; it must be a whole number from 1 to ${highestMaxDepth}.`,
  );
}

function authRequired(host: string): TrainyardError {
  return new TrainyardError(
    'AUTH_REQUIRED_FOR_HOST',
    `Refusing to listen on ${host}: without a token anybody who reaches it could run commands here. ` +
      'Make one first: trainyard tokens create --name me --scope admin',
  );
}
