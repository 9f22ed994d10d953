import { existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Agent, type AgentLog, createAgent } from '@trainyard/agent';
import { TrainyardError } from '@trainyard/protocol';
import { type ServerOptions, startServer } from '@trainyard/server';
import { pino } from 'pino';
import { defaultSlots } from './default-slots.ts';
import { HostAgents } from './host-agents.ts';
import { type agentOptionsOf, gpusOf } from './options/machine-options.ts';

export interface PlatformOptions {
  readonly dataDir: string;
  readonly databaseUrl?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly logLevel?: string | undefined;
  readonly privateWebhookHosts?: ServerOptions['privateWebhookHosts'];
  readonly maxDepth?: number | undefined;
  /** Of the server; default: `config.yaml` in the data directory, if it is there. */
  readonly configFile?: string | undefined;
  /** Where the server may read files of datasets; those of DATASETS_DIR, unless given. */
  readonly datasetsDirs?: readonly string[] | undefined;
  /** Without it no agent runs beside the server. */
  readonly agent?: ReturnType<typeof agentOptionsOf> | undefined;
}

export interface Platform {
  readonly url: string;
  readonly adminToken: string;
  readonly isOpen: boolean;
  /** Resolves when the agent has registered; rejects when it cannot start. */
  readonly agentStarted: Promise<void>;
  /** Stops agent and server. Programs of running jobs go on and are adopted by the next start. */
  stop(): Promise<void>;
}

/**
 * Server, database and agent in this process: the only place where the parts are put together.
 * @throws TrainyardError as `startServer`; USAGE for a database that is not PostgreSQL
 */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { dataDir, databaseUrl, host, port, logLevel, privateWebhookHosts, maxDepth, configFile } = options;
  if (databaseUrl !== undefined) refuseOtherDatabase(databaseUrl);
  const server = await startServer({
    dataDir,
    databaseUrl,
    host,
    port,
    logLevel,
    privateWebhookHosts,
    maxDepth,
    configFile,
    datasetsDirs: (options.datasetsDirs ?? datasetsDirsOf(process.env)).map((dir) => resolve(dir)),
    secretKey: secretKeyOf(process.env),
    webDir: findWebDir(),
  });
  const stopServer = async (error: unknown): Promise<never> => {
    await server.stop();
    throw error;
  };
  const agent = options.agent === undefined ? undefined : await newAgent(server, options).catch(stopServer);
  const agentStarted = agent?.start() ?? Promise.resolve();
  // Reported where it is awaited; until then it must not end the process.
  agentStarted.catch(() => undefined);
  const hosts = options.agent === undefined ? undefined : hostAgents(server, options);
  await hosts?.start().catch(async (error: unknown) => {
    await agent?.stop();
    return stopServer(error);
  });
  return {
    url: server.url,
    adminToken: server.adminToken,
    isOpen: server.isOpen,
    agentStarted,
    async stop() {
      await Promise.all([agent?.stop(), hosts?.stop()]);
      await server.stop();
    },
  };
}

/** Never an option: it would be seen by others on the machine. */
function secretKeyOf(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const key = env['TRAINYARD_SECRET_KEY'];
  return key === '' ? undefined : key;
}

/** The address itself is not named, since it may hold a password. */
function refuseOtherDatabase(databaseUrl: string): void {
  if (/^postgres(ql)?:\/\//i.test(databaseUrl)) return;
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(databaseUrl)?.[0];
  throw new TrainyardError(
    'USAGE',
    `The database URL (--database-url or TRAINYARD_DATABASE_URL) begins with ` +
      `${scheme === undefined ? 'no scheme' : `"${scheme}"`}; it must be that of a PostgreSQL: ` +
      'postgres://… or postgresql://…',
  );
}

async function newAgent(
  server: { url: string; agentToken: string },
  options: PlatformOptions,
): Promise<Agent> {
  return createAgent({
    url: server.url,
    token: server.agentToken,
    dataDir: join(options.dataDir, 'agent'),
    hostsDir: options.dataDir,
    ...options.agent,
    slots: options.agent?.slots ?? defaultSlots(),
    gpus: await gpusOf(options.agent?.gpus),
    isBesideServer: options.databaseUrl === undefined,
    log: agentLog(options.logLevel),
  });
}

function hostAgents(server: { url: string; agentToken: string }, options: PlatformOptions): HostAgents {
  return new HostAgents({
    url: server.url,
    token: server.agentToken,
    dataDir: options.dataDir,
    limits: options.agent?.limits,
    timing: options.agent?.timing,
    isBesideServer: options.databaseUrl === undefined,
    log: agentLog(options.logLevel),
  });
}

function agentLog(logLevel: string | undefined): AgentLog {
  return pino({ level: logLevel ?? 'warn', base: null, name: 'agent' }, pino.destination(2));
}

function datasetsDirsOf(env: NodeJS.ProcessEnv): string[] {
  return (env['DATASETS_DIR'] ?? '').split(delimiter).filter((dir) => dir !== '');
}

/** The built web page: beside the sources, or inside the published package. */
function findWebDir(): string | undefined {
  const places = ['../../web/dist', '../web'].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  return places.find((path) => existsSync(join(path, 'index.html')));
}
