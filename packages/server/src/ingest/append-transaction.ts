import { setImmediate as nextTurn } from 'node:timers/promises';
import { ATTEMPT_STATUS_TABLE, isHeldAttemptStatus, TrainyardError } from '@trainyard/protocol';
import type { ClientBase, Pool } from 'pg';
import { inTransaction } from '../store/transaction.ts';
import type { PreparedChunk } from './chunk-bytes.ts';
import { type LineProblem, type ParserState, PointsByKey, parseMetricBytes } from './metric-parser.ts';
import { writePoints } from './metric-sql.ts';
import { placeAppends } from './place-appends.ts';
import type { Points } from './points.ts';
import { keepRefusedLines, MAX_REFUSED_LINES } from './refused-lines.ts';
import { toSeriesPoints } from './series-points.ts';
import { formatOf, hasPoints, type LineFormat, type StoredStream } from './stored-stream.ts';
import {
  type LockedStream,
  lockStreams,
  type NewChunk,
  readStreamBytes,
  type StreamEnd,
  writeStreams,
} from './stream-sql.ts';
import type { TailCache } from './tail-cache.ts';

export interface Append {
  readonly attemptId: string;
  readonly runId: string;
  readonly rootId: string;
  readonly attemptNumber: number;
  readonly stream: StoredStream;
  /**
   * Place of the first byte in the stream, as its sender counts. `end`: wherever it ends, or by `firstLine`.
   * `beside`: likewise, whole lines of somebody else than the sender who counts bytes, whose places stay as they are.
   */
  readonly offset: number | 'end' | 'beside';
  readonly bytes: Buffer;
  /** Nobody else has them: their memory is given back when the append is settled. */
  readonly ownsBytes?: boolean;
  /** The same bytes, made ready to be stored while the append waits for its transaction. */
  readonly prepared?: Promise<readonly PreparedChunk[]>;
  /**
   * With `end` or `beside`: how many lines the sender has sent before these. Lines that are stored already are left out,
   * and a gap is refused.
   */
  readonly firstLine?: number | undefined;
  /** The attempt has ended and may still deliver: the caller has checked that. */
  readonly isLate?: boolean | undefined;
}

/** What one append came to. */
export type AppendOutcome =
  | { readonly ok: true; readonly size: number; readonly lines: number }
  | { readonly ok: false; readonly error: TrainyardError };

/** What the appends of one stream came to, once committed. */
export interface StreamOutcome extends StreamEnd {
  readonly append: Append;
  readonly outcomes: ReadonlyMap<Append, AppendOutcome>;
  /** The bytes that were new, in order, from `offset` on. */
  readonly pieces: readonly NewChunk[];
  /** Something of its row is to be written. */
  readonly isChanged: boolean;
  /** Points are built from it. */
  readonly isParsed: boolean;
  /** Points by key, of a stream that is parsed. */
  readonly points: ReadonlyMap<string, Points>;
  readonly parser: ParserState;
  readonly unreadable: number;
  readonly unreadableBefore: number;
  readonly problems: readonly LineProblem[];
}

export interface BatchOutcome {
  readonly streams: readonly StreamOutcome[];
  /** Ids of series that should be compacted. */
  readonly crowded: readonly number[];
}

/** A series with more chunks than this since its last compaction is compacted. */
const MERGE_ABOVE_CHUNKS = 32;

/**
 * Stores a batch of appends in one transaction: bytes, sizes of streams, chunks and series. Answers after
 * the commit. Refused appends (gap, fenced) are outcomes and do not fail the others.
 */
export function storeAppends(
  pool: Pool,
  appends: readonly Append[],
  tails: TailCache,
  now: () => number,
  trackRuns: (client: ClientBase, runIds: readonly string[]) => Promise<void> = async () => {},
): Promise<BatchOutcome> {
  return inTransaction(pool, 'read committed', async (client) => {
    const groups = groupByStream(appends);
    const locked = await lockStreams(
      client,
      groups.map((group) => group[0]!),
    );
    const rows = new Map(locked.map((row) => [keyOf(row), row]));
    const receivedAtMs = now();
    const streams: StreamOutcome[] = [];
    for (const group of groups)
      streams.push(await placeGroup(client, group, rows.get(keyOf(group[0]!)), tails, receivedAtMs));
    const changed = streams.filter((stream) => stream.isChanged);
    if (changed.length > 0) await writeBytes(client, changed, receivedAtMs);
    for (const { append, problems, unreadableBefore } of changed)
      if (unreadableBefore < MAX_REFUSED_LINES) await keepRefusedLines(client, append, problems);
    const series = changed.flatMap((stream) => toSeriesPoints(stream.append, stream.points));
    if (series.length > 0)
      await trackRuns(
        client,
        series.map(({ runId }) => runId),
      );
    const crowded = series.length > 0 ? await writePoints(client, series, MERGE_ABOVE_CHUNKS) : [];
    return { streams, crowded };
  });
}

function groupByStream(appends: readonly Append[]): Append[][] {
  const groups = new Map<string, Append[]>();
  for (const append of appends) {
    const key = keyOf(append);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [append]);
    else group.push(append);
  }
  return [...groups.values()];
}

function keyOf({ attemptId, stream }: Pick<Append, 'attemptId' | 'stream'>): string {
  return `${attemptId} ${stream}`;
}

async function placeGroup(
  client: ClientBase,
  group: readonly Append[],
  row: LockedStream | undefined,
  tails: TailCache,
  receivedAtMs: number,
): Promise<StreamOutcome> {
  const append = group[0]!;
  const outcomes = new Map<Append, AppendOutcome>();
  const refusal = refuse(append, row);
  if (row === undefined || refusal !== undefined) {
    for (const each of group) outcomes.set(each, { ok: false, error: refusal ?? notFound(append) });
    return emptyOutcome(append, outcomes);
  }
  const { end, pieces } = await placeAppends(client, group, row, outcomes);
  const isParsed = hasPoints(append.stream) || row.readsConsole;
  const isChanged = pieces.length > 0 || end.insertedBytes !== row.insertedBytes;
  const base = {
    append,
    outcomes,
    pieces,
    ...end,
    isParsed,
    isChanged,
    unreadableBefore: row.unreadableLines,
  };
  const unparsed = { parsed: row.parsed, tail: [], inLongLine: row.inLongLine, lines: row.lines };
  const empty = { ...emptyOutcome(append, outcomes), ...base, parser: unparsed };
  if (!isParsed || pieces.length === 0) return empty;
  if (row.hasOwnMetrics) return { ...empty, parser: { ...unparsed, parsed: end.size, inLongLine: false } };
  const state = await parserState(client, row, tails);
  return { ...base, ...(await parsePieces(state, pieces, receivedAtMs, formatOf(append.stream))) };
}

/** Parsed between two turns of the event loop. */
const BYTES_PER_TURN = 512 * 1024;

/** Parses piece by piece and gives other work of the process its turn between them. */
async function parsePieces(
  start: ParserState,
  pieces: readonly NewChunk[],
  receivedAtMs: number,
  format: LineFormat,
): Promise<Pick<StreamOutcome, 'points' | 'parser' | 'unreadable' | 'problems'>> {
  const collected = new PointsByKey();
  const problems: LineProblem[] = [];
  let parser = start;
  let unreadable = 0;
  for (const { bytes } of pieces) {
    for (let at = 0; at < bytes.length; at += BYTES_PER_TURN) {
      const part = bytes.subarray(at, at + BYTES_PER_TURN);
      const parsed = parseMetricBytes(parser, part, receivedAtMs, collected, format);
      parser = parsed.state;
      unreadable += parsed.unreadable;
      problems.push(...parsed.problems);
      await nextTurn();
    }
  }
  return { points: collected.build(), parser, unreadable, problems };
}

async function parserState(client: ClientBase, row: LockedStream, tails: TailCache): Promise<ParserState> {
  const cached = tails.get(row);
  if (cached !== undefined && cached.size === row.size && cached.parsed === row.parsed)
    return { ...cached, lines: row.lines };
  const tail = await readStreamBytes(client, row, row.parsed, row.size);
  const { parsed, inLongLine, lines } = row;
  return { parsed, tail: tail.length === 0 ? [] : [tail], inLongLine, lines };
}

function writeBytes(
  client: ClientBase,
  changed: readonly StreamOutcome[],
  receivedAtMs: number,
): Promise<void> {
  return writeStreams(
    client,
    changed.flatMap((stream) => stream.pieces),
    changed.map((stream) => ({
      ...streamKey(stream.append),
      size: stream.size,
      parsed: stream.parser.parsed,
      inLongLine: stream.parser.inLongLine,
      newUnreadableLines: stream.unreadable,
      lines: stream.lines,
      insertedBytes: stream.insertedBytes,
      insertedLines: stream.insertedLines,
      hasCutLine: stream.hasCutLine,
    })),
    new Date(receivedAtMs),
  );
}

function streamKey(append: Append): Pick<Append, 'attemptId' | 'stream'> {
  return { attemptId: append.attemptId, stream: append.stream };
}

function emptyOutcome(append: Append, outcomes: ReadonlyMap<Append, AppendOutcome>): StreamOutcome {
  return {
    append,
    outcomes,
    pieces: [],
    size: 0,
    lines: 0,
    insertedBytes: 0,
    insertedLines: 0,
    hasCutLine: false,
    isChanged: false,
    isParsed: false,
    points: new Map(),
    parser: { parsed: 0, tail: [], inLongLine: false, lines: 0 },
    unreadable: 0,
    unreadableBefore: 0,
    problems: [],
  };
}

function refuse(append: Append, row: LockedStream | undefined): TrainyardError | undefined {
  if (row === undefined) return notFound(append);
  if (isHeldAttemptStatus(row.attemptStatus)) return undefined;
  if (append.isLate === true && row.attemptStatus !== 'lost') return undefined;
  const { meaning } = ATTEMPT_STATUS_TABLE[row.attemptStatus];
  return new TrainyardError(
    'ATTEMPT_FENCED',
    `Attempt ${append.attemptId} is "${row.attemptStatus}" (${meaning}) and takes no more of its ${append.stream}. End its process.`,
  );
}

function notFound(append: Append): TrainyardError {
  return new TrainyardError('NOT_FOUND', `There is no attempt ${append.attemptId}.`);
}
