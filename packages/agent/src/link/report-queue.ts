import { type AgentClient, retryAfterMs } from '@trainyard/client';
import { type Report, type ReportResult, TrainyardError } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import type { AttemptTokens } from './attempt-tokens.ts';
import { Backoff } from './backoff.ts';
import type { ServerContact } from './server-contact.ts';

/** What became of a report: taken, or refused for good with a code of the error catalogue. */
export type ReportAnswer =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: string; readonly message: string };

/**
 * Sends reports of all attempts in batches, one batch at a time, so those of one attempt arrive in order.
 * While the server is away it tries again without limit; a newer progress replaces one that waits.
 */
export class ReportQueue {
  readonly #client: AgentClient;
  readonly #contact: ServerContact;
  readonly #tokens: Pick<AttemptTokens, 'ready'>;
  readonly #log: AgentLog;
  readonly #signal: AbortSignal;
  readonly #waiting: Waiting[] = [];
  #sending = false;

  constructor(options: {
    readonly client: AgentClient;
    readonly contact: ServerContact;
    readonly tokens: Pick<AttemptTokens, 'ready'>;
    readonly log: AgentLog;
    readonly signal: AbortSignal;
  }) {
    this.#client = options.client;
    this.#contact = options.contact;
    this.#tokens = options.tokens;
    this.#log = options.log;
    this.#signal = options.signal;
  }

  /** Resolves with the server's answer. @throws the signal's reason when the agent stops first */
  send(report: Report): Promise<ReportAnswer> {
    this.#signal.throwIfAborted();
    // Each by itself: what waits for a token must not hold up the others.
    const ready = this.#tokens.ready(report.attemptId);
    if (ready !== undefined) return ready.then(() => this.send(report));
    const replaced = report.kind === 'progress' ? this.#waitingProgress(report.attemptId) : undefined;
    return new Promise((resolve, reject) => {
      if (replaced !== undefined) {
        replaced.resolve({ ok: true });
        Object.assign(replaced, { report, resolve, reject });
        return;
      }
      this.#waiting.push({ report, sizeBytes: sizeOf(report), resolve, reject });
      if (!this.#sending) {
        this.#sending = true;
        // What is reported in this turn of the event loop shares the first batch.
        setImmediate(() => void this.#drain());
      }
    });
  }

  async #drain(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.#sendBatch(this.#takeBatch());
    } catch (error) {
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    } finally {
      this.#sending = false;
    }
  }

  #takeBatch(): Waiting[] {
    let count = 0;
    let sizeBytes = 0;
    for (const waiting of this.#waiting) {
      sizeBytes += waiting.sizeBytes;
      if (count > 0 && (count >= MAX_BATCH_REPORTS || sizeBytes > MAX_BATCH_BYTES)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #sendBatch(batch: readonly Waiting[]): Promise<void> {
    const backoff = new Backoff({ firstMs: 200, maxMs: 15_000, contact: this.#contact });
    for (let warned = false; ; warned = true) {
      try {
        const results = await this.#client.report(
          batch.map(({ report }) => report),
          this.#signal,
        );
        batch.forEach((waiting, index) => {
          waiting.resolve(toAnswer(results[index]));
        });
        return;
      } catch (error) {
        if (this.#signal.aborted) {
          for (const { reject } of batch) reject(this.#signal.reason);
          throw error;
        }
        if (isRefusal(error)) return this.#refuse(batch, error);
        if (!warned)
          this.#log.warn({ reports: batch.length, error: String(error) }, 'reports wait for the server');
        await backoff.wait(this.#signal, retryAfterMs(error)).catch((reason: unknown) => {
          for (const { reject } of batch) reject(reason);
          throw reason;
        });
      }
    }
  }

  /** One report that the server cannot read must not hold up the others: they go one by one. */
  async #refuse(batch: readonly Waiting[], error: TrainyardError): Promise<void> {
    if (batch.length === 1) {
      batch[0]?.resolve({ ok: false, code: error.code, message: error.message });
      return;
    }
    for (const waiting of batch) await this.#sendBatch([waiting]);
  }

  #waitingProgress(attemptId: string): Waiting | undefined {
    return this.#waiting.find(({ report }) => report.kind === 'progress' && report.attemptId === attemptId);
  }
}

/** Codes that say that the server wants nothing more of an attempt. */
export function isOver(code: string): boolean {
  return code === 'ATTEMPT_FENCED' || code === 'NOT_FOUND' || code === 'UNAUTHENTICATED';
}

const MAX_BATCH_REPORTS = 1000;
const MAX_BATCH_BYTES = 1024 * 1024;

interface Waiting {
  readonly report: Report;
  readonly sizeBytes: number;
  resolve(answer: ReportAnswer): void;
  reject(reason: unknown): void;
}

function isRefusal(error: unknown): error is TrainyardError {
  return error instanceof TrainyardError && (error.code === 'INVALID_REQUEST' || error.code === 'TOO_LARGE');
}

function toAnswer(result: ReportResult | undefined): ReportAnswer {
  if (result === undefined) return { ok: false, code: 'INTERNAL', message: 'the server gave no result' };
  if (result.ok) return { ok: true };
  return { ok: false, code: result.code ?? 'INTERNAL', message: result.message ?? 'refused' };
}

/** Only a finish can be large: it carries outputs and datasets. */
function sizeOf(report: Report): number {
  if (report.kind === 'started') return 300;
  return Buffer.byteLength(JSON.stringify(report));
}
