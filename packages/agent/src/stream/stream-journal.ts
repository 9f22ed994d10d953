import type { StreamName } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import { type ByteSource, lineBeginFrom } from './byte-source.ts';
import type { ChunkRoom } from './chunk-room.ts';
import type { JournalLimits } from './journal-limits.ts';
import { PatientLook } from './patient-look.ts';
import {
  acknowledged,
  freed,
  nextFileOffset,
  nextPiece,
  noted,
  openFileOffset,
  RESERVED_BYTES,
  restarted,
  type StreamPosition,
  skipped,
  withoutNote,
} from './stream-layout.ts';
import { capNote, gapNote, type NoteReason } from './stream-notes.ts';
import { StreamSpace } from './stream-space.ts';

export interface StreamJournalOptions {
  readonly log: AgentLog;
  readonly attemptId: string;
  readonly stream: StreamName;
  /** Closed by `close`. */
  readonly source: ByteSource;
  readonly position: StreamPosition;
  /** Puts the position on disk. Awaited before bytes are given up, removed, or sent of another file. */
  readonly savePosition: (position: StreamPosition) => Promise<void>;
  readonly limits: JournalLimits;
}

/** Bytes to send, with their place in the stream. */
export interface Outgoing {
  readonly offset: number;
  /** Empty when only the server's answer is wanted. */
  readonly bytes: Uint8Array;
  /** Where the bytes end in the file; left out when they are ours. */
  readonly fileEnd?: number;
}
type Next = Outgoing | undefined;

/**
 * What of a stream is to be sent next. The program's file is the journal: what is not delivered yet is
 * read again. Where bytes have to be given up, a note takes their place, and they are counted.
 */
export class StreamJournal {
  readonly #options: StreamJournalOptions;
  readonly #space: StreamSpace;
  readonly #patient: PatientLook;
  #position: StreamPosition;
  /** Offset in the stream up to which bytes went out, whether or not the server has said that it has them. */
  #attempted: number;
  /** Size of the file at the last look. */
  #fileSize = 0;
  #endsWithLine: boolean;
  #savedAtMs = performance.now();
  #notes: ((atLineBegin: boolean) => string)[] = [];
  /** Reads of the file and changes of what is to be read follow each other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: StreamJournalOptions) {
    this.#options = options;
    this.#position = options.position;
    this.#space = new StreamSpace(options);
    this.#patient = new PatientLook(options);
    // An agent before this one may have sent more than it had written down.
    this.#attempted = options.position.reserved;
    this.#endsWithLine = options.position.sent === 0;
  }

  get droppedBytes(): number {
    return this.#position.droppedBytes;
  }

  get isCapped(): boolean {
    return this.#position.isCapped;
  }

  /** Bytes of the file that the server has not got yet, as far as the last look tells. */
  get waitingBytes(): number {
    return Math.max(0, this.#fileSize - openFileOffset(this.#position));
  }

  /**
   * What is to be sent next; `undefined` when there is nothing now.
   * @param ended the program writes no more
   * @param room what is read of the file is good as long as it; left out: memory of its own
   * @throws when `signal` fires
   */
  next(maxBytes: number, ended: boolean, signal: AbortSignal, room?: ChunkRoom): Promise<Next> {
    return this.#inTurn(async () => {
      await this.#applyCap(ended);
      // Notes have a place only where it is known how much of what went out has arrived.
      const isSure = this.#attempted <= this.#position.sent;
      if (isSure) this.#placeNotes();
      else if (this.#position.isCapped && this.#notes.length > 0) return this.#question();
      const piece = nextPiece(this.#position);
      // The note of a log beyond its limit grows until the program ends.
      if (piece.kind === 'note' && this.#position.isCapped && !ended && piece.isGap) return undefined;
      if (piece.kind === 'note') return this.#outgoing({ bytes: piece.bytes });
      await this.#freeDelivered();
      const mostBytes = Math.min(piece.mostBytes, this.#mostBytes(maxBytes, ended));
      const bytes = await this.#read(piece.fileOffset, mostBytes, signal, room);
      if (bytes === undefined || bytes === 'unsure') return bytes && this.#question();
      return this.#outgoing({ bytes, fileEnd: nextFileOffset(this.#position) + bytes.length });
    });
  }

  /** The server has the stream up to `size`. */
  async acknowledge(size: number): Promise<void> {
    this.#attempted = size;
    this.#position = acknowledged(this.#position, size, (bytes) =>
      gapNote(this.#options.stream, true, bytes, { kind: 'not_kept' }),
    );
    if (performance.now() - this.#savedAtMs > SAVE_EVERY_MS) await this.save();
  }

  /** Leaves out what `next` gave last: the server has said that it will never take it. */
  refuse({ fileEnd }: Outgoing, message: string): Promise<void> {
    return this.#inTurn(async () => {
      this.#attempted = this.#position.sent;
      if (fileEnd === undefined) this.#position = withoutNote(this.#position);
      else this.#skip(fileEnd, { kind: 'refused', message });
      await this.save();
    });
  }

  /**
   * Leaves out the oldest bytes that wait, so that at most `mostBytes` do, and removes them from the disk.
   * May be called at any time, also while bytes are on their way.
   */
  async dropOldest(mostBytes: number, reason: NoteReason): Promise<void> {
    const { stream, log, attemptId, limits } = this.#options;
    const why: NoteReason = this.#position.isCapped
      ? { kind: 'log_limit', limitBytes: limits.logBytesPerAttempt }
      : reason;
    await this.#inTurn(async () => {
      const before = this.#position;
      this.#skip(await this.#lineBegin(this.#fileSize - mostBytes), why);
      const bytes = this.#position.droppedBytes - before.droppedBytes;
      if (bytes === 0) return;
      log.warn({ attemptId, stream, bytes }, 'bytes were left out of a stream');
      await this.save();
      const to = openFileOffset(this.#position);
      await this.#space.free(to - bytes, to);
    });
  }

  /** Has a line of ours put behind what was sent. */
  addNote(text: (atLineBegin: boolean) => string): void {
    this.#notes.push(text);
  }

  /** Looks at the size of the file; `waitingBytes` is up to date then. */
  measure(): Promise<void> {
    return this.#inTurn(async () => {
      const look = await this.#options.source.look(openFileOffset(this.#position), 0);
      this.#fileSize = look?.size ?? this.#fileSize;
    }).catch(() => undefined);
  }

  /** Removes from the disk what the server has, all of it: there is no room left. */
  freeAll(): Promise<void> {
    return this.#inTurn(() => this.#freeDelivered(0, 1)).catch(() => undefined);
  }

  async save(): Promise<void> {
    this.#savedAtMs = performance.now();
    await this.#options.savePosition(this.#position);
  }

  async close(): Promise<void> {
    await this.#options.source.close();
    await this.save();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Nothing to store: the answer tells how far the server is. */
  #question(): Outgoing {
    return { offset: this.#position.sent, bytes: NOTHING };
  }

  async #outgoing(piece: Omit<Outgoing, 'offset'>): Promise<Outgoing> {
    const { sent, reserved } = this.#position;
    const end = sent + piece.bytes.length;
    this.#attempted = Math.max(this.#attempted, end);
    this.#endsWithLine = piece.bytes.at(-1) === NEWLINE;
    if (end > reserved) {
      this.#position = { ...this.#position, reserved: end + RESERVED_BYTES };
      await this.save();
    }
    return { ...piece, offset: sent };
  }

  /** How much of the file may be read now: up to the limit of the log, and nothing while it is passed. */
  #mostBytes(maxBytes: number, ended: boolean): number {
    const { stream, limits } = this.#options;
    if (stream !== 'log') return maxBytes;
    if (this.#position.isCapped) return ended ? maxBytes : 0;
    return Math.min(maxBytes, limits.logBytesPerAttempt - this.#position.sent);
  }

  /**
   * The bytes of the file that are to be sent next; `undefined` when there are none, and `unsure` when it has
   * to be known first how much of its content before has arrived.
   */
  async #read(
    fileOffset: number,
    maxBytes: number,
    signal: AbortSignal,
    room: ChunkRoom | undefined,
  ): Promise<Uint8Array | 'unsure' | undefined> {
    const look = await this.#patient.look(fileOffset, maxBytes, signal, room);
    if (look === undefined) return undefined;
    this.#fileSize = look.size;
    const { identity, sent } = this.#position;
    const isOther = identity !== undefined && look.identity !== identity;
    if (isOther || look.size < fileOffset) {
      if (this.#attempted > sent) return 'unsure';
      await this.#startOver(isOther ? 'was replaced' : 'was truncated', look.identity);
      return this.#read(nextFileOffset(this.#position), maxBytes, signal, room);
    }
    if (identity === undefined) this.#position = { ...this.#position, identity: look.identity };
    return look.bytes.length === 0 ? undefined : look.bytes;
  }

  async #startOver(what: string, identity: string): Promise<void> {
    const { attemptId, stream, log } = this.#options;
    log.info({ attemptId, stream }, `the file ${what}; its new content follows the old`);
    this.#position = restarted(this.#position, identity);
    this.#space.reset();
    await this.save();
  }

  /** Past the limit of a log nothing is sent until the program ends; then its last lines are. */
  async #applyCap(ended: boolean): Promise<void> {
    const { stream, limits, source } = this.#options;
    const limitBytes = limits.logBytesPerAttempt;
    if (stream !== 'log') return;
    if (!this.#position.isCapped) {
      if (this.#position.sent < limitBytes) return;
      this.addNote((atLineBegin) => capNote(atLineBegin, limitBytes));
      this.#position = { ...this.#position, isCapped: true };
    } else if (ended) {
      const look = await source.look(openFileOffset(this.#position), 0).catch(() => undefined);
      const tail = await this.#lineBegin((look?.size ?? 0) - LAST_BYTES);
      this.#skip(tail, { kind: 'log_limit', limitBytes });
    }
  }

  #placeNotes(): void {
    for (const note of this.#notes.splice(0)) {
      // Metrics are lines of JSON.
      if (this.#options.stream === 'log')
        this.#position = noted(this.#position, this.#attempted, note(this.#endsWithLine));
    }
  }

  #skip(to: number, reason: NoteReason): void {
    this.#position = skipped(this.#position, to, this.#attempted, (bytes) =>
      gapNote(this.#options.stream, this.#endsWithLine, bytes, reason),
    );
  }

  #lineBegin(fileOffset: number): Promise<number> | number {
    return fileOffset <= openFileOffset(this.#position)
      ? fileOffset
      : lineBeginFrom(this.#options.source, fileOffset);
  }

  async #freeDelivered(
    keptBytes = this.#options.limits.keptBytesPerStream,
    stepBytes = FREE_STEP_BYTES,
  ): Promise<void> {
    const to = nextFileOffset(this.#position) - keptBytes;
    if (!this.#space.isWorthwhile(to, stepBytes)) return;
    this.#position = freed(this.#position, to);
    // Before they go: an agent that starts again must not take the hole for bytes of the program.
    await this.save();
    await this.#space.freeBegin(to);
  }
}

const NOTHING = new Uint8Array(0);
const NEWLINE = 10;
const SAVE_EVERY_MS = 5000;
/** Sent of the end of a log whose limit was reached. */
const LAST_BYTES = 256 * 1024;
/** Space is given back in pieces of this size. */
const FREE_STEP_BYTES = 64 * 1024 * 1024;
