import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';

export interface NotifyLinkOptions {
  readonly clientConfig: pg.ClientConfig;
  /** At most 63 bytes. */
  readonly channel: string;
  readonly log: Logger;
  readonly onPayload: (payload: string) => void;
  /** The connection stands; what was notified before was not heard. */
  readonly onConnected: () => void;
}

/** One connection of its own for LISTEN and NOTIFY. */
export interface NotifyLink {
  readonly isConnected: boolean;
  /** Resolves to false when the payloads did not go out. Each is at most 7,999 bytes. */
  send(payloads: readonly string[]): Promise<boolean>;
  stop(): Promise<void>;
}

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5000;
/** A peer that went away without a word is noticed by asking it now and then. */
const PROBE_MS = 15_000;
const ANSWER_MS = 10_000;

/**
 * Connects and listens; a connection that is lost is made again with back-off. Resolves when the first try is
 * over, whether it succeeded or not.
 */
export async function openNotifyLink(options: NotifyLinkOptions): Promise<NotifyLink> {
  const stopping = new AbortController();
  let link: Connected | undefined;
  let onFirstTry: () => void = () => {};
  const firstTry = new Promise<void>((resolve) => {
    onFirstTry = resolve;
  });

  const keepConnected = async (): Promise<void> => {
    let retryMs = FIRST_RETRY_MS;
    while (!stopping.signal.aborted) {
      try {
        link = await connect(options);
        retryMs = FIRST_RETRY_MS;
        options.onConnected();
        onFirstTry();
        await untilBroken(link, stopping.signal);
      } catch (error) {
        if (!stopping.signal.aborted)
          options.log.warn({ err: error }, 'the link to the other servers of this database broke');
      }
      const ended = link;
      link = undefined;
      onFirstTry();
      await ended?.end();
      if (stopping.signal.aborted) return;
      // Half of the wait is random: many servers lose the same database at the same time.
      const waitMs = retryMs * (0.5 + Math.random() / 2);
      await sleep(waitMs, undefined, { signal: stopping.signal }).catch(() => {});
      retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
    }
  };
  const loop = keepConnected();
  await firstTry;

  return {
    get isConnected() {
      return link !== undefined;
    },
    async send(payloads) {
      try {
        const statement = 'select pg_notify($1, payload) from unnest($2::text[]) as payload';
        const open = link;
        await open?.ask(statement, [options.channel, payloads]);
        return open !== undefined;
      } catch {
        return false;
      }
    },
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}

interface Connected {
  /** Runs a statement when the one before it is done: a connection does one thing at a time. */
  ask(statement: string, values?: readonly unknown[]): Promise<void>;
  end(): Promise<void>;
  /** Rejects when the connection breaks. */
  readonly broken: Promise<never>;
}

async function connect({ clientConfig, channel, onPayload }: NotifyLinkOptions): Promise<Connected> {
  const client = new pg.Client({
    ...clientConfig,
    // Tells people who look into pg_stat_activity what this idle connection is for.
    application_name: channel,
    keepAlive: true,
    query_timeout: ANSWER_MS,
  });
  const broken = new Promise<never>((_, reject) => {
    client.on('error', reject);
    client.once('end', () => reject(new Error('The connection ended.')));
  });
  broken.catch(() => {});
  client.on('notification', ({ payload }) => onPayload(payload ?? ''));
  try {
    await client.connect();
    await client.query(`listen ${client.escapeIdentifier(channel)}`);
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  let last: Promise<unknown> = Promise.resolve();
  return {
    broken,
    async ask(statement, values = []) {
      const asked = last.then(() => client.query(statement, [...values]));
      last = asked.catch(() => {});
      await asked;
    },
    end: () => client.end().catch(() => {}),
  };
}

async function untilBroken({ ask, broken }: Connected, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const pause = sleep(PROBE_MS, undefined, { signal }).catch(() => {});
    await Promise.race([pause, broken]);
    if (!signal.aborted) await Promise.race([ask('select 1'), broken]);
  }
}
