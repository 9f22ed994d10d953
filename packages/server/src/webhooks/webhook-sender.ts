import type { PrivateHosts } from '@trainyard/datasets';
import { newId, WEBHOOK_LIMITS } from '@trainyard/protocol';
import type { Logger } from 'pino';
import type { SecretBox } from '../auth/secret-box.ts';
import { runWokenLoop } from '../background/woken-loop.ts';
import type { LiveBus } from '../live/live-bus.ts';
import { WakeUp } from '../orchestrator/wake-up.ts';
import type { Database } from '../store/database.ts';
import {
  type ClaimedDelivery,
  claimDue,
  giveBack,
  insertMessages,
  type NewMessage,
  NOTES_PER_ROUND,
  type NoteRow,
  removeEnded,
  settleAttempt,
  takeNotes,
} from './delivery-sql.ts';
import { POST_TIMEOUT_MS, postMessage } from './post-message.ts';
import { afterAttempt } from './retry-schedule.ts';
import { signedHeaders } from './signature.ts';
import { whyNotSent } from './target-guard.ts';
import { messageBody, wantedName } from './webhook-message.ts';

/** Messages that are sent to one webhook at the same time. */
const PER_WEBHOOK = 4;
/** After this long without a result the sender counts as dead: longer than any attempt takes. */
const CLAIM_MS = 4 * POST_TIMEOUT_MS;
/** Least time between two rounds: what happens meanwhile is taken together. */
const PAUSE_MS = 50;
const CLEAN_UP_EVERY_MS = 3_600_000;

export interface WebhookSenderOptions {
  readonly database: Database;
  readonly bus: LiveBus;
  readonly log: Logger;
  readonly secrets: SecretBox;
  readonly privateHosts: PrivateHosts;
  readonly now?: (() => number) | undefined;
  readonly random?: (() => number) | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * Makes messages of events and sends them. Any number of servers may do so at once: rows that one has taken
 * are skipped by the others, and what a dead one has taken becomes due again.
 */
export interface WebhookSender {
  start(): void;
  stop(): Promise<void>;
  /** Looks for due messages soon: some were added. */
  wake(): void;
  /** One round: makes messages, begins to send what is due. True if there may be more to do at once. */
  tick(): Promise<boolean>;
  /** Why nothing will be sent to an address, such as a private one; null when it may be reached. */
  whyNotSent(url: URL): Promise<string | null>;
  /** Resolves when nothing is being sent. */
  idle(): Promise<void>;
}

export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  return new Sender(options);
}

class Sender implements WebhookSender {
  readonly #options: WebhookSenderOptions;
  readonly #now: () => number;
  readonly #busy = new Map<string, number>();
  readonly #sending = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #wakeUp = new WakeUp();
  #cleanedAtMs = 0;
  #loop: Promise<void> | undefined;

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  start(): void {
    this.#options.bus.on('tree', this.#wakeUp.call);
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#options.bus.off('tree', this.#wakeUp.call);
    this.#stopping.abort();
    this.#wakeUp.call();
    await this.#loop;
    await this.idle();
  }

  wake(): void {
    this.#wakeUp.call();
  }

  whyNotSent(url: URL): Promise<string | null> {
    return whyNotSent(url, this.#options.privateHosts);
  }

  async idle(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending);
  }

  async tick(): Promise<boolean> {
    const { database, secrets } = this.#options;
    const nowMs = this.#now();
    const noted = await this.#makeMessages(nowMs);
    await this.#cleanUp(nowMs);
    const claimed = await claimDue(database.kysely, {
      now: new Date(nowMs),
      lostAt: new Date(nowMs + CLAIM_MS),
      perWebhook: PER_WEBHOOK,
      busy: this.#busy,
      secretKeyId: secrets.keyId,
    });
    for (const delivery of claimed) this.#begin(delivery);
    return noted === NOTES_PER_ROUND;
  }

  /** Removes noted events and stores their messages in one transaction: none is lost, none is doubled. */
  async #makeMessages(nowMs: number): Promise<number> {
    return this.#options.database.kysely.transaction().execute(async (trx) => {
      const notes = await takeNotes(trx);
      if (notes.length === 0) return 0;
      const webhooks = await trx.selectFrom('webhooks').select(['id', 'events', 'pipeline']).execute();
      const byId = new Map(webhooks.map((webhook) => [webhook.id, webhook]));
      const messages = notes.flatMap((note) => messagesOf(note, byId, nowMs));
      if (messages.length > 0) await insertMessages(trx, messages, new Date(nowMs));
      return notes.length;
    });
  }

  #begin(delivery: ClaimedDelivery): void {
    const { webhook_id: webhookId } = delivery;
    this.#busy.set(webhookId, (this.#busy.get(webhookId) ?? 0) + 1);
    const sending = this.#send(delivery)
      .catch((error: unknown) => {
        // The claim runs out and another attempt follows.
        this.#options.log.warn({ err: error, delivery: delivery.id }, 'a delivery could not be recorded');
      })
      .finally(() => {
        const left = (this.#busy.get(webhookId) ?? 1) - 1;
        if (left > 0) this.#busy.set(webhookId, left);
        else this.#busy.delete(webhookId);
        this.#sending.delete(sending);
        this.#wakeUp.call();
      });
    this.#sending.add(sending);
  }

  async #send(delivery: ClaimedDelivery): Promise<void> {
    const { database, secrets, privateHosts, timeoutMs, random = Math.random } = this.#options;
    const { id, webhook_id: webhookId, url, body } = delivery;
    const key = secrets.open(delivery.secret, webhookId);
    const timestamp = Math.floor(this.#now() / 1000);
    const { signal } = this.#stopping;
    const headers = signedHeaders(key, { id, timestamp, body });
    const result = await postMessage({ url, headers, body, privateHosts, timeoutMs, signal });
    const nowMs = this.#now();
    if (signal.aborted && result.status === null) {
      await giveBack(database.kysely, delivery, new Date(nowMs));
      return;
    }
    const next = afterAttempt({ attempt: delivery.attempts, result, nowMs, random: random() });
    await settleAttempt(database.kysely, delivery, { result, next, now: new Date(nowMs) });
  }

  async #cleanUp(nowMs: number): Promise<void> {
    if (nowMs - this.#cleanedAtMs < CLEAN_UP_EVERY_MS) return;
    this.#cleanedAtMs = nowMs;
    const keepMs = WEBHOOK_LIMITS.keepDays * 86_400_000;
    await removeEnded(this.#options.database.kysely, new Date(nowMs - keepMs));
  }

  #run(): Promise<void> {
    return runWokenLoop({
      name: 'webhooks',
      tick: () => this.tick(),
      wakeUp: this.#wakeUp,
      pauseMs: PAUSE_MS,
      signal: this.#stopping.signal,
      log: this.#options.log,
    });
  }
}

interface Subscription {
  readonly id: string;
  readonly events: readonly string[];
  readonly pipeline: string | null;
}

function messagesOf(note: NoteRow, byId: ReadonlyMap<string, Subscription>, nowMs: number): NewMessage[] {
  const event = {
    rootId: note.root_id,
    seq: note.seq,
    runId: note.run_id,
    path: note.path,
    type: note.type,
    at: note.at.toISOString(),
    data: note.data,
  };
  const run = {
    id: note.root_id,
    name: note.name,
    status: note.status,
    reason: note.reason,
    error: note.error,
    createdAt: note.created_at.toISOString(),
    startedAt: note.started_at?.toISOString() ?? null,
    endedAt: note.ended_at?.toISOString() ?? null,
    stages: note.counts,
  };
  return note.webhook_ids.flatMap((webhookId) => {
    const webhook = byId.get(webhookId);
    const type = webhook === undefined ? undefined : wantedName(webhook, event, note.name);
    if (type === undefined) return [];
    const body = messageBody(type, event, run);
    return [{ id: newId('msg', nowMs), webhookId, type, rootId: note.root_id, seq: note.seq, body }];
  });
}
