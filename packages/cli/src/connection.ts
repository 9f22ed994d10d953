import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, createClient } from '@trainyard/client';
import { TrainyardError } from '@trainyard/protocol';
import type { CliContext } from './cli-context.ts';
import { pause } from './interrupt.ts';

export interface Connection {
  /** The client of the server that is used now; another one after `recover`. */
  readonly client: Client;
  readonly token: string | undefined;
  /** The server lives in this process and ends with the command. */
  readonly isOwn: boolean;
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
/** How long a named server may be away while a run is watched. */
const AWAY_MS = 60_000;
const PROBE_MS = 3000;
const POLL_MS = 250;

/**
 * Finds the server to talk to: the one named by `--url` or TRAINYARD_URL, else the one that runs on the data
 * directory, else one started in this process for as long as the command lasts.
 */
export async function connect(context: CliContext, options: ConnectOptions): Promise<Connection> {
  let target = await findTarget(context, options);
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
    async recover(signal) {
      if (context.url === undefined && target.stop === undefined) target = await findTarget(context, options);
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

interface Target {
  readonly client: Client;
  readonly token: string | undefined;
  readonly stop?: () => Promise<void>;
}

async function findTarget(context: CliContext, { otherwise }: ConnectOptions): Promise<Target> {
  if (context.url !== undefined) {
    return { client: createClient({ url: context.url, token: context.token }), token: context.token };
  }
  const running = await findRunning(context);
  if (running !== undefined) return running;
  if (otherwise === 'fail') {
    throw new TrainyardError(
      'SERVER_UNREACHABLE',
      `No Trainyard server runs on ${context.dataDir}. Start one with: trainyard up (or name one with --url)`,
    );
  }
  return startOwn(context, otherwise === 'start server and agent');
}

/** The server whose address lies in the data directory, if it answers. The file is only a hint. */
async function findRunning(context: CliContext): Promise<Target | undefined> {
  const file = await readFile(join(context.dataDir, 'server.json'), 'utf8').catch(() => undefined);
  const hint = file === undefined ? undefined : parseHint(file);
  if (hint === undefined) return undefined;
  const token = context.token ?? hint.token;
  const client = createClient({ url: hint.url, token });
  try {
    await untilReady(client, STARTING_MS, new AbortController().signal);
  } catch {
    return undefined;
  }
  return { client, token };
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
