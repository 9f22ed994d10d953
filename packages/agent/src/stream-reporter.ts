import { type AgentClient, gapSize } from '@trainyard/client';
import { AGENT_PROTOCOL, type StreamName, TrainyardError } from '@trainyard/protocol';
import type { AgentLog } from './agent-log.ts';
import type { StreamPosition } from './attempt-state.ts';
import { Backoff, pause } from './backoff.ts';
import type { ByteSource, SourceLook } from './byte-source.ts';

export interface StreamReporterOptions {
  readonly client: AgentClient;
  readonly log: AgentLog;
  readonly attemptId: string;
  readonly token: string;
  readonly epoch: number;
  readonly stream: StreamName;
  /** Closed at the end of `run`. */
  readonly source: ByteSource;
  readonly position: StreamPosition;
  /** Puts the position on disk. Awaited before bytes of a truncated file are sent. */
  readonly savePosition: (position: StreamPosition) => Promise<void>;
  /** The server wants nothing more of this attempt. */
  readonly onFenced: () => void;
}

/**
 * Sends a file that a program appends to, byte for byte, as (offset, bytes). The file is the journal: one
 * chunk is in memory at a time, and what could not be delivered yet is read again.
 */
export class StreamReporter {
  readonly #options: StreamReporterOptions;
  readonly #backoff = new Backoff({ firstMs: 200, maxMs: 15_000 });
  #sent: number;
  #base: number;
  readonly #sourceBackoff = new Backoff({ firstMs: 200, maxMs: 15_000 });
  /** Of the file that was read last. */
  #identity: string | undefined;
  #maxChunkBytes: number = AGENT_PROTOCOL.maxAppendBytes;
  readonly #finishing = new AbortController();
  #savedAtMs = performance.now();
  #undeliveredBytes = 0;

  constructor(options: StreamReporterOptions) {
    this.#options = options;
    this.#sent = options.position.sent;
    this.#base = options.position.base;
  }

  /** Bytes that the server refused for good. */
  get undeliveredBytes(): number {
    return this.#undeliveredBytes;
  }

  /** The program has ended: `run` resolves once the file is delivered to its end. */
  finish(): void {
    this.#finishing.abort();
  }

  /** Sends until the end of the file after `finish`, or until fenced. @throws when `signal` fires */
  async run(signal: AbortSignal): Promise<void> {
    const wake = AbortSignal.any([signal, this.#finishing.signal]);
    try {
      let idleMs = IDLE_FIRST_MS;
      for (;;) {
        // Asked before the file is read, so that no byte written before the end is missed.
        const finishing = this.#finishing.signal.aborted;
        const chunk = await this.#read(signal);
        if (chunk === undefined) {
          if (finishing) return;
          await this.#options.source.waitForMore(idleMs, wake);
          signal.throwIfAborted();
          idleMs = Math.min(idleMs * 1.5, IDLE_LAST_MS);
          continue;
        }
        idleMs = IDLE_FIRST_MS;
        if (!(await this.#deliver(chunk, signal))) return;
        if (chunk.length < FULL_CHUNK_BYTES) await this.#idle(GATHER_MS, signal, wake);
      }
    } finally {
      await this.#options.source.close();
      await this.#save();
    }
  }

  /** The bytes after what was sent, or `undefined` when there are none. */
  async #read(signal: AbortSignal): Promise<Uint8Array | undefined> {
    const look = await this.#look(signal);
    if (look === undefined) return undefined;
    const replaced = this.#identity !== undefined && look.identity !== this.#identity;
    this.#identity = look.identity;
    if (replaced || look.size < this.#sent - this.#base) {
      await this.#startOver(replaced ? 'was replaced' : 'was truncated');
      return this.#read(signal);
    }
    return look.bytes.length === 0 ? undefined : look.bytes;
  }

  /** @throws when `signal` fires */
  async #look(signal: AbortSignal): Promise<SourceLook | undefined> {
    const { attemptId, stream, source, log } = this.#options;
    for (let warned = false; ; warned = true) {
      try {
        const look = await source.look(this.#sent - this.#base, this.#maxChunkBytes);
        this.#sourceBackoff.reset();
        return look;
      } catch (error) {
        signal.throwIfAborted();
        if (!warned)
          log.warn(
            { attemptId, stream, source: source.name, error: String(error) },
            'cannot read a file of a job',
          );
        await this.#sourceBackoff.wait(signal);
      }
    }
  }

  async #startOver(what: string): Promise<void> {
    const { attemptId, stream, log, source } = this.#options;
    log.info({ attemptId, stream, source: source.name }, `the file ${what}; its new content follows the old`);
    this.#base = this.#sent;
    await this.#save();
  }

  /** @returns false when nothing more is to be sent */
  async #deliver(bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const { client, attemptId, token, epoch, stream } = this.#options;
    try {
      const answer = await client.append(
        { attemptId, token, epoch, stream, offset: this.#sent, bytes },
        signal,
      );
      this.#moveTo(answer.size);
      this.#backoff.reset();
      if (performance.now() - this.#savedAtMs > SAVE_EVERY_MS) await this.#save();
      return true;
    } catch (error) {
      signal.throwIfAborted();
      return this.#recover(error, bytes, signal);
    }
  }

  async #recover(error: unknown, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const { attemptId, stream, log } = this.#options;
    const size = gapSize(error);
    if (size !== undefined) {
      log.info({ attemptId, stream, from: this.#sent, to: size }, 'the server asks for earlier bytes');
      const repeated = size === this.#sent;
      this.#moveTo(size);
      if (repeated) await this.#backoff.wait(signal);
      return true;
    }
    const code = error instanceof TrainyardError ? error.code : 'INTERNAL';
    if (code === 'ATTEMPT_FENCED' || code === 'NOT_FOUND') {
      this.#options.onFenced();
      return false;
    }
    if (code === 'TOO_LARGE' && bytes.length > SMALLEST_CHUNK_BYTES) {
      this.#maxChunkBytes = Math.max(SMALLEST_CHUNK_BYTES, bytes.length >> 1);
      return true;
    }
    if (code === 'INVALID_REQUEST' || code === 'TOO_LARGE') {
      await this.#giveUp(error);
      return false;
    }
    log.debug({ attemptId, stream, error: String(error) }, 'bytes wait for the server');
    await this.#backoff.wait(signal);
    return true;
  }

  async #giveUp(error: unknown): Promise<void> {
    const { attemptId, stream, log, source } = this.#options;
    // The rest counts once the program has ended and the file's size is known.
    await this.#untilFinish();
    const local = this.#sent - this.#base;
    const look = await source.look(local, 1).catch(() => undefined);
    this.#undeliveredBytes = Math.max(0, (look?.size ?? 0) - local);
    log.error(
      { attemptId, stream, undeliveredBytes: this.#undeliveredBytes, error: String(error) },
      'bytes were refused',
    );
  }

  #untilFinish(): Promise<void> {
    const { signal } = this.#finishing;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  #moveTo(size: number): void {
    // Bytes of an earlier content of the file cannot be sent again; its present content follows.
    if (size < this.#base) this.#base = size;
    this.#sent = size;
  }

  async #save(): Promise<void> {
    this.#savedAtMs = performance.now();
    await this.#options.savePosition({ sent: this.#sent, base: this.#base });
  }

  async #idle(ms: number, signal: AbortSignal, wake: AbortSignal): Promise<void> {
    if (!this.#finishing.signal.aborted) await pause(ms, wake).catch(() => undefined);
    signal.throwIfAborted();
  }
}

/** Pauses between looks at a file that does not grow; most sources wake earlier when it does. */
const IDLE_FIRST_MS = 40;
const IDLE_LAST_MS = 200;
/** Pause after a small chunk, so that a program that prints line by line costs few requests. */
const GATHER_MS = 40;
const FULL_CHUNK_BYTES = 256 * 1024;
const SMALLEST_CHUNK_BYTES = 4096;
const SAVE_EVERY_MS = 5000;
