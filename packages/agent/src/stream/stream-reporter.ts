import type { AgentClient } from '@trainyard/client';
import { AGENT_PROTOCOL } from '@trainyard/protocol';
import { Backoff, pause } from '../link/backoff.ts';
import type { ServerContact } from '../link/server-contact.ts';
import type { AppendGate } from './append-gate.ts';
import { judgeAppendError } from './append-verdict.ts';
import type { ChunkRoom } from './chunk-room.ts';
import { type Outgoing, StreamJournal, type StreamJournalOptions } from './stream-journal.ts';

export interface StreamReporterOptions extends StreamJournalOptions {
  readonly client: Pick<AgentClient, 'append'>;
  readonly contact: ServerContact;
  readonly token: string;
  readonly epoch: number;
  /** The server wants nothing more of this attempt. */
  readonly onFenced: () => void;
  /** Shared by all streams of the agent. */
  readonly gate: AppendGate;
  /** Longest time without progress after the end of the program, although the server answers. */
  readonly flushDeadlineMs: number;
}

/**
 * Sends a file that a program appends to, byte for byte, as (offset, bytes). One chunk is in memory at a
 * time; the program never waits for the server.
 */
export class StreamReporter {
  readonly #options: StreamReporterOptions;
  readonly #journal: StreamJournal;
  readonly #backoff: Backoff;
  readonly #finishing = new AbortController();
  /** What the server takes at once, and what the way to it takes in good time. */
  #acceptedBytes: number = AGENT_PROTOCOL.maxAppendBytes;
  #chunkBytes: number = AGENT_PROTOCOL.maxAppendBytes;
  /** Pieces in a row that the server has refused for good. */
  #refusals = 0;
  /** Since the last progress, the time in which the server answered and the program had ended. */
  #stalledMs = 0;
  #restBytes = 0;
  #isAnswered = false;

  constructor(options: StreamReporterOptions) {
    this.#options = options;
    this.#journal = new StreamJournal(options);
    this.#backoff = new Backoff({ firstMs: 200, maxMs: 15_000, contact: options.contact });
  }

  /** Bytes that the server has not got and will not get. */
  get undeliveredBytes(): number {
    return this.#journal.droppedBytes + this.#restBytes;
  }

  /** What waits on the disk of the agent. */
  get journal(): Pick<
    StreamJournal,
    'waitingBytes' | 'isCapped' | 'measure' | 'dropOldest' | 'freeAll' | 'addNote'
  > {
    return this.#journal;
  }

  /** The program has ended: `run` resolves once the file is delivered to its end. */
  finish(): void {
    this.#finishing.abort();
  }

  /** Sends until the end of the file after `finish`, or until fenced. @throws when `signal` fires */
  async run(signal: AbortSignal): Promise<void> {
    const wake = AbortSignal.any([signal, this.#finishing.signal]);
    const { gate } = this.#options;
    try {
      for (let idleMs = IDLE_FIRST_MS; ; ) {
        // Asked before the file is read, so that no byte written before the end is missed.
        const finishing = this.#finishing.signal.aborted;
        const sent = await gate.pass((room) => this.#sendNext(finishing, signal, room));
        if (sent.kind === 'fenced' || (sent.kind === 'nothing' && finishing)) return;
        if (sent.kind === 'given_up') return await this.#giveUp(sent.why, signal);
        if (sent.kind === 'waits') await this.#wait(sent.afterMs, signal);
        else if (sent.kind === 'nothing') await this.#idle(idleMs, wake);
        else if (sent.bytes < FULL_CHUNK_BYTES && this.#isUnhurried) await this.#idle(idleMs, wake);
        else if (sent.bytes < FULL_CHUNK_BYTES) await pause(GATHER_MS, wake).catch(() => undefined);
        signal.throwIfAborted();
        idleMs = sent.kind === 'nothing' ? Math.min(idleMs * 1.5, IDLE_LAST_MS) : IDLE_FIRST_MS;
      }
    } finally {
      await this.#journal.close();
    }
  }

  /** Telemetry is written for all jobs in one moment: sent in that moment, it would hold up what programs write. */
  get #isUnhurried(): boolean {
    return this.#options.stream === 'system';
  }

  async #idle(idleMs: number, wake: AbortSignal): Promise<void> {
    const isUnhurried = this.#isUnhurried;
    // Of a log beyond its limit no growth is of interest.
    if (!isUnhurried && !this.#journal.isCapped) return this.#options.source.waitForMore(idleMs, wake);
    const ms = isUnhurried ? UNHURRIED_MS * (0.5 + Math.random()) : idleMs;
    await pause(ms, wake).catch(() => undefined);
  }

  async #sendNext(finishing: boolean, signal: AbortSignal, room: ChunkRoom): Promise<Sent> {
    const { client, attemptId, token, epoch, stream } = this.#options;
    const outgoing = await this.#journal.next(
      Math.min(this.#chunkBytes, this.#acceptedBytes),
      finishing,
      signal,
      room,
    );
    if (outgoing === undefined) return { kind: 'nothing' };
    const { offset, bytes } = outgoing;
    const startedAtMs = performance.now();
    try {
      const { size } = await client.append({ attemptId, token, epoch, stream, offset, bytes }, signal);
      await this.#journal.acknowledge(size);
      if (performance.now() - startedAtMs < QUICK_MS)
        this.#chunkBytes = Math.min(this.#chunkBytes * 2, AGENT_PROTOCOL.maxAppendBytes);
      this.#progress();
      return { kind: 'sent', bytes: bytes.length };
    } catch (error) {
      signal.throwIfAborted();
      return this.#recover(error, outgoing, performance.now() - startedAtMs);
    }
  }

  async #recover(error: unknown, outgoing: Outgoing, tookMs: number): Promise<Sent> {
    const { attemptId, stream, log } = this.#options;
    const { length } = outgoing.bytes;
    const verdict = judgeAppendError(error);
    switch (verdict.kind) {
      case 'fenced':
        this.#options.onFenced();
        return { kind: 'fenced' };
      case 'resync': {
        log.info(
          { attemptId, stream, from: outgoing.offset, to: verdict.size },
          'the server asks for earlier bytes',
        );
        await this.#journal.acknowledge(verdict.size);
        return verdict.size === outgoing.offset
          ? { kind: 'waits', afterMs: 0 }
          : { kind: 'sent', bytes: length };
      }
      case 'too_large':
        if (length <= SMALLEST_CHUNK_BYTES) return this.#refused(outgoing, verdict.message);
        this.#acceptedBytes = Math.max(SMALLEST_CHUNK_BYTES, length >> 1);
        return { kind: 'sent', bytes: length };
      case 'refused':
        return this.#refused(outgoing, verdict.message);
      case 'later':
        log.debug({ attemptId, stream, error: String(error) }, 'bytes wait for the server');
        this.#isAnswered = verdict.answered;
        // A slow way: less at once arrives before the time is up.
        if (tookMs > SLOW_MS) this.#chunkBytes = Math.max(SMALLEST_CHUNK_BYTES, length >> 1);
        this.#countStall(tookMs);
        return this.#stalledMs > this.#options.flushDeadlineMs
          ? { kind: 'given_up', why: String(error) }
          : { kind: 'waits', afterMs: verdict.afterMs };
    }
  }

  /** These bytes are left out; when the server takes nothing at all, so is the rest. */
  async #refused(outgoing: Outgoing, message: string): Promise<Sent> {
    const { attemptId, stream, log } = this.#options;
    this.#refusals += 1;
    if (this.#refusals > MAX_REFUSALS) return { kind: 'given_up', why: message };
    log.warn({ attemptId, stream, bytes: outgoing.bytes.length, error: message }, 'the server refused bytes');
    await this.#journal.refuse(outgoing, message);
    return { kind: 'sent', bytes: outgoing.bytes.length };
  }

  async #giveUp(why: string, signal: AbortSignal): Promise<void> {
    const { attemptId, stream, log } = this.#options;
    // The rest counts once the program has ended and the file's size is known.
    await this.#untilFinish(signal);
    await this.#journal.measure();
    this.#restBytes = this.#journal.waitingBytes;
    const { undeliveredBytes } = this;
    log.error({ attemptId, stream, undeliveredBytes, error: why }, 'bytes were not delivered');
  }

  async #untilFinish(signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#finishing.signal]);
    if (!either.aborted)
      await new Promise((resolve) => either.addEventListener('abort', resolve, { once: true }));
    signal.throwIfAborted();
  }

  #progress(): void {
    this.#backoff.reset();
    this.#refusals = 0;
    this.#stalledMs = 0;
  }

  /** Time that counts against the deadline: the program has ended, and the server is there. */
  #countStall(ms: number): void {
    if (this.#isAnswered && this.#finishing.signal.aborted) this.#stalledMs += ms;
  }

  /** Waits as the backoff says, at least `afterMs`; outside of the gate, so that others may try. */
  async #wait(afterMs: number, signal: AbortSignal): Promise<void> {
    const startedAtMs = performance.now();
    await this.#backoff.wait(signal, afterMs);
    this.#countStall(performance.now() - startedAtMs);
  }
}

type Sent =
  | { readonly kind: 'sent'; readonly bytes: number }
  | { readonly kind: 'nothing' }
  /** To be tried again. */
  | { readonly kind: 'waits'; readonly afterMs: number }
  | { readonly kind: 'fenced' }
  /** The server takes nothing of this stream. */
  | { readonly kind: 'given_up'; readonly why: string };

/** Pauses between looks at a file that does not grow; most sources wake earlier when it does. */
const IDLE_FIRST_MS = 40;
const IDLE_LAST_MS = 1000;
/** Between two looks at telemetry, on average. */
const UNHURRIED_MS = 3000;
/** Pause after a small chunk, so that a program that prints line by line costs few requests. */
const GATHER_MS = 25;
const FULL_CHUNK_BYTES = 256 * 1024;
const SMALLEST_CHUNK_BYTES = 4096;
const QUICK_MS = 1000;
const SLOW_MS = 5000;
/** Pieces refused one after the other, after which a server is not asked again. */
const MAX_REFUSALS = 8;
