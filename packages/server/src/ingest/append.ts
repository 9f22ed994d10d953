import { TrainyardError } from '@trainyard/protocol';
import type { ClientBase } from 'pg';
import { freeMemory } from '../free-memory.ts';
import type { Database } from '../store/database.ts';
import { isDatabaseLost } from '../store/database-lost.ts';
import { type Append, type BatchOutcome, type StreamOutcome, storeAppends } from './append-transaction.ts';
import { createBatcher } from './batcher.ts';
import { freeStored, prepareChunks } from './chunk-bytes.ts';
import { createCompactor } from './compaction.ts';
import { finishStreams } from './finish-streams.ts';
import type { Points } from './points.ts';
import { MAX_REFUSED_LINES } from './refused-lines.ts';
import { TailCache } from './tail-cache.ts';

export type { Append } from './append-transaction.ts';

/** Bytes that became part of a stream, told after the commit. */
interface Appended extends Omit<Append, 'bytes' | 'offset'> {
  readonly offset: number;
  /** The new bytes: from `offset` up to `size`. Good until the listener returns. */
  readonly bytes: readonly Uint8Array[];
  readonly size: number;
  /** New points by key, sorted by step and time; empty for a log. */
  readonly points: ReadonlyMap<string, Points>;
}

/** A line of a metrics stream that could not be read. */
export interface IngestProblem {
  readonly attemptId: string;
  readonly runId: string;
  readonly rootId: string;
  /** Its number in the stream, from 1 on. */
  readonly line: number;
  /** Byte offset of the line's begin. */
  readonly offset: number;
  readonly problem: string;
}

interface IngestOptions {
  readonly database: Database;
  /** Epoch milliseconds. */
  readonly now?: () => number;
  /** Called with the runs of new points, in the transaction that stores these. */
  readonly trackRuns?: (client: ClientBase, runIds: readonly string[]) => Promise<void>;
  readonly onAppended?: (appended: Appended) => void;
  /** At most MAX_REFUSED_LINES times per stream; all are counted in `streams.unreadable_lines`. */
  readonly onProblem?: (problem: IngestProblem) => void;
  /** A compaction in the background failed (it is tried again at the next occasion), or a listener above. */
  readonly onCompactionError?: (error: unknown) => void;
}

export interface Ingest {
  /**
   * Appends bytes to a stream exactly once: what is stored already is trimmed. Answers after the commit.
   * @returns the highest contiguous offset that is stored, and the line ends up to it
   * @throws TrainyardError STREAM_GAP (details `{size}`, with `firstLine` also `{lines}`), ATTEMPT_FENCED, NOT_FOUND, UNAVAILABLE
   */
  append(append: Append): Promise<{ size: number; lines: number }>;
  /**
   * To be called when an attempt of the run has ended: reads a last line without a line's end, merges
   * small chunks and drops points that a newer attempt replaced. Safe to repeat.
   */
  compactRun(runId: string): Promise<void>;
  /** Merges small chunks of these series in the background, soon. */
  compactSoon(seriesIds: readonly number[]): void;
  /** Resolves when all that was appended so far is stored and no compaction runs. */
  close(): Promise<void>;
}

/** Bounds of one transaction. */
const MAX_BATCH_APPENDS = 512;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** While one transaction waits for the database the next one parses. */
const MAX_TRANSACTIONS_IN_FLIGHT = 2;
/** Bytes that may wait for a transaction; above that, appends are refused until it has gone down. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

interface Waiting {
  readonly append: Append;
  readonly resolve: (answer: { size: number; lines: number }) => void;
  readonly reject: (error: unknown) => void;
}

/** Stores what agents send; one per server process. Any number of processes may share a database. */
export function createIngest(options: IngestOptions): Ingest {
  const { database, now = Date.now } = options;
  const tails = new TailCache();
  const onBackgroundError = options.onCompactionError ?? (() => {});
  const compactor = createCompactor(database, onBackgroundError);
  const batcher = createBatcher<Waiting>({
    keyOf: ({ append }) => `${append.attemptId} ${append.stream}`,
    sizeOf: ({ append }) => append.bytes.length,
    maxItems: MAX_BATCH_APPENDS,
    maxSize: MAX_BATCH_BYTES,
    maxInFlight: MAX_TRANSACTIONS_IN_FLIGHT,
    run: store,
  });

  async function store(batch: readonly Waiting[]): Promise<void> {
    let outcome: BatchOutcome;
    try {
      outcome = await storeAppends(
        database.pool,
        batch.map((waiting) => waiting.append),
        tails,
        now,
        options.trackRuns,
      );
    } catch (error) {
      await storeAfterFailure(batch, error);
      return;
    }
    for (const stream of outcome.streams) remember(tails, stream);
    settle(batch, outcome);
    try {
      for (const stream of outcome.streams) announce(options, stream);
    } catch (error) {
      onBackgroundError(error);
    }
    compactor.schedule(outcome.crowded);
  }

  /** One append that cannot be stored must not fail its neighbours; a lost database fails all. */
  async function storeAfterFailure(batch: readonly Waiting[], error: unknown): Promise<void> {
    const lost = isDatabaseLost(error);
    if (batch.length > 1 && !lost) {
      for (const waiting of batch) await store([waiting]);
      return;
    }
    for (const waiting of batch) waiting.reject(lost ? unavailable(error) : error);
  }

  return {
    append(append) {
      if (batcher.queuedSize > MAX_QUEUED_BYTES) return Promise.reject(overloaded());
      const prepared = prepareChunks(append.bytes);
      // Who waits for it hears of a failure; before that it must not end the process.
      prepared.catch(() => undefined);
      const settled = new Promise<{ size: number; lines: number }>((resolve, reject) =>
        batcher.add({ append: { ...append, prepared }, resolve, reject }),
      );
      // A thread may still read the bytes of an append that was refused.
      void Promise.allSettled([prepared, settled]).then(([chunks]) => {
        if (chunks.status === 'fulfilled') chunks.value.forEach(freeStored);
        if (append.ownsBytes === true) freeMemory(append.bytes);
      });
      return settled;
    },
    async compactRun(runId) {
      await finishStreams(database.pool, runId, now);
      await compactor.compactRun(runId);
    },
    compactSoon: (seriesIds) => compactor.schedule(seriesIds),
    async close() {
      await batcher.idle();
      await compactor.idle();
    },
  };
}

function settle(batch: readonly Waiting[], outcome: BatchOutcome): void {
  const byAppend = new Map(outcome.streams.flatMap((stream) => [...stream.outcomes]));
  for (const { append, resolve, reject } of batch) {
    const result = byAppend.get(append);
    if (result?.ok) resolve({ size: result.size, lines: result.lines });
    else reject(result?.error);
  }
}

function remember(tails: TailCache, { append, pieces, parser, size, isParsed }: StreamOutcome): void {
  if (!isParsed || pieces.length === 0) return;
  if (parser.tail.length > 0 || parser.inLongLine || parser.lastPoint !== undefined)
    tails.set(append, { ...parser, size });
  else tails.delete(append);
}

function announce({ onAppended, onProblem }: IngestOptions, stream: StreamOutcome): void {
  const { append, pieces, size, points } = stream;
  if (pieces.length === 0) return;
  const bytes = pieces.map((piece) => piece.bytes);
  onAppended?.({ ...append, offset: pieces[0]!.offset, bytes, size, points });
  const room = Math.max(0, MAX_REFUSED_LINES - stream.unreadableBefore);
  const { attemptId, runId, rootId } = append;
  for (const problem of stream.problems.slice(0, room)) onProblem?.({ attemptId, runId, rootId, ...problem });
}

function unavailable(cause: unknown): TrainyardError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TrainyardError('UNAVAILABLE', `The database cannot be written now (${why}). Send again.`, {
    cause,
  });
}

function overloaded(): TrainyardError {
  return new TrainyardError(
    'UNAVAILABLE',
    'More bytes are waiting to be stored than this server takes. Send again in a few seconds.',
  );
}
