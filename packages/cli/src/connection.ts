import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, checkServerUrl, createClient } from '@trainyard/client';
import { TrainyardError } from '@trainyard/protocol';
import type { CliContext } from './cli-context.ts';
import { pause } from './interrupt.ts';

export interface Connection {
  /** The client of the server that is used now; another one after `recover`. */
  readonly client: Client;
  readonly token: string | undefined;
  /** The server lives in this process and ends with the command. */
  readonly isOwn: boolean;
  /** The server was found on the data directory: when it ends, another may take its place. */
  readonly mayMove: boolean;
  /** After a lost connection: finds the server again, or starts it if it was found in the data directory. */
  recover(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface ConnectOptions {
  /** What to do when no server was named and none runs on the data directory. */
  readonly otherwise: 'start server' | 'start server and agent' | 'fail';
}

/** How long a server that is just starting is waited for. */
const STARTING_MS = 10_000;
/** How long a command waits for another one that has the data directory but no server that answers yet. */
const TAKEN_MS = 30_000;
/** How often work is done again because its server ended meanwhile. */
const MAX_REPEATS = 5;
/** How long a named server may be away while a run is watched. */
const AWAY_MS = 60_000;
const PROBE_MS = 3000;
const POLL_MS = 250;

/**
 * Finds the server to talk to: the one named by `--url` or TRAINYARD_URL, else the one that runs on the data
 * directory, else one started in this process for as long as the command lasts.
 * @throws TrainyardError USAGE for an address that cannot be one
 */
export async function connect(context: CliContext, options: ConnectOptions): Promise<Connection> {
  let target = await findTarget(context, options, new AbortController().signal);
  const mayMove = () => context.url === undefined && target.stop === undefined;
  return {
    get client() {
      return target.client;
    },
    get token() {
      return target.token;
    },
    get isOwn() {
      return target.stop !== undefined;
    },
    get mayMove() {
      return mayMove();
    },
    async recover(signal) {
      if (mayMove()) target = await findTarget(context, options, signal);
      else await untilReady(target.client, AWAY_MS, signal);
    },
    close: async () => {
      await target.stop?.();
    },
  };
}

/** True when the server could not be reached or is not up: trying again may help. */
export function isConnectionFault(error: unknown): boolean {
  return (
    error instanceof TrainyardError && (error.code === 'SERVER_UNREACHABLE' || error.code === 'UNAVAILABLE')
  );
}

/**
 * Does work that may be done twice, and does it again when the server on the data directory ends meanwhile:
 * that server often belongs to another command, which ends with it.
 */
export async function repeatWhenServerEnds<T>(connection: Connection, work: () => Promise<T>): Promise<T> {
  for (let repeats = 0; ; repeats += 1) {
    try {
      return await work();
    } catch (error) {
      if (!connection.mayMove || !isConnectionFault(error) || repeats === MAX_REPEATS) throw error;
      await connection.recover(new AbortController().signal);
    }
  }
}

interface Target {
  readonly client: Client;
  readonly token: string | undefined;
  readonly stop?: () => Promise<void>;
}

async function findTarget(
  context: CliContext,
  { otherwise }: ConnectOptions,
  signal: AbortSignal,
): Promise<Target> {
  if (context.url !== undefined) {
    checkServerUrl(context.url);
    return { client: createClient({ url: context.url, token: context.token }), token: context.token };
  }
  const deadline = performance.now() + TAKEN_MS;
  for (;;) {
    const running = await findRunning(context, signal);
    if (running !== undefined) return running;
    if (otherwise === 'fail') throw noServer(context);
    try {
      return await startOwn(context, otherwise === 'start server and agent');
    } catch (error) {
      // Another command was faster, or is just ending: its server is found soon, or the directory is free.
      if (!isTaken(error) || performance.now() > deadline) throw error;
    }
    await pause(POLL_MS, signal);
    signal.throwIfAborted();
  }
}

function noServer({ dataDir }: CliContext): TrainyardError {
  return new TrainyardError(
    'SERVER_UNREACHABLE',
    `No Trainyard server runs on ${dataDir}. Start one with: trainyard up (or name one with --url)`,
  );
}

function isTaken(error: unknown): boolean {
  return (
    error instanceof TrainyardError &&
    (error.code === 'EMBEDDED_DATABASE_IN_USE' || error.code === 'DATA_DIR_IN_USE')
  );
}

/** The server whose address lies in the data directory, if it answers. The file is only a hint. */
async function findRunning(context: CliContext, signal: AbortSignal): Promise<Target | undefined> {
  const hint = await readHint(context);
  if (hint === undefined) return undefined;
  try {
    await untilReady(createClient({ url: hint.url }), STARTING_MS, signal);
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
  // A server that was just starting has added its token meanwhile.
  const { url, token: written } = (await readHint(context)) ?? hint;
  const token = context.token ?? written;
  return { client: createClient({ url, token }), token };
}

async function readHint({ dataDir }: CliContext): Promise<ReturnType<typeof parseHint>> {
  const text = await readFile(join(dataDir, 'server.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : parseHint(text);
}

function parseHint(text: string): { url: string; token: string | undefined } | undefined {
  try {
    const { url, token } = JSON.parse(text) as { url?: unknown; token?: unknown };
    if (typeof url !== 'string') return undefined;
    return { url, token: typeof token === 'string' ? token : undefined };
  } catch {
    return undefined;
  }
}

/** Polls /readyz. A server that does not answer at all is waited for only when it was there before. */
async function untilReady(client: Client, limitMs: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + limitMs;
  const waitsForAbsent = limitMs === AWAY_MS;
  for (;;) {
    try {
      if (await client.isReady({ signal: AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]) })) return;
    } catch (error) {
      signal.throwIfAborted();
      if (!waitsForAbsent || performance.now() > deadline) throw error;
    }
    if (performance.now() > deadline) {
      throw new TrainyardError('UNAVAILABLE', `The server at ${client.url} did not become ready.`);
    }
    await pause(POLL_MS, signal);
  }
}

async function startOwn(context: CliContext, withAgent: boolean): Promise<Target> {
  const { startPlatform } = await import('./platform.ts');
  const platform = await startPlatform({
    dataDir: context.dataDir,
    databaseUrl: context.databaseUrl,
    logLevel: context.debug ? 'info' : 'error',
    maxDepth: context.maxDepth,
    configFile: context.configFile,
    agent: withAgent ? {} : undefined,
  });
  try {
    await platform.agentStarted;
  } catch (error) {
    await platform.stop();
    throw error;
  }
  const token = context.token ?? platform.adminToken;
  return {
    client: createClient({ url: platform.url, token }),
    token,
    stop: () => platform.stop(),
  };
}
