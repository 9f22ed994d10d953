import { isAscii } from 'node:buffer';
import {
  MAX_METRIC_LINE_BYTES,
  type MetricLine,
  parseConsoleLine,
  parseMetricLine,
} from '@trainyard/protocol';
import { storableText } from '../store/jsonb-text.ts';
import { type Points, PointsBuilder } from './points.ts';
import type { LineFormat } from './stored-stream.ts';

const NEWLINE = 10;

/** A line that could not be read. `offset` is the byte offset of its begin in the stream. */
export interface LineProblem {
  /** Its number in the stream, from 1 on. */
  readonly line: number;
  readonly offset: number;
  readonly problem: string;
}

/** Where the parser stands in a stream: what is not parsed yet is kept in `tail`. */
export interface ParserState {
  /** Offset of the first byte that is not parsed yet. */
  readonly parsed: number;
  /** The bytes from `parsed` on: the begin of a line without its end. */
  readonly tail: readonly Buffer[];
  /** True inside of a line that is too long to be read: everything up to its end is skipped. */
  readonly inLongLine: boolean;
  /** Line ends before `parsed`. */
  readonly lines: number;
  /** The point that a log told last: ranks of one training all print the same. */
  readonly lastPoint?: string | undefined;
}

export interface ParsedLines {
  readonly state: ParserState;
  /** Lines that could not be read; only the first of them are in `problems`. */
  readonly unreadable: number;
  readonly problems: readonly LineProblem[];
}

/** Problems that are described; further ones are only counted. */
const MAX_PROBLEMS = 5;
/** Characters of a reason, which may show what was found. */
const MAX_REASON = 300;
const MAX_TIME_MS = 8.64e15;

/** Points by key of the lines that were parsed. */
export class PointsByKey {
  readonly #byKey = new Map<string, PointsBuilder>();
  /** Keys as they came: the cleaning of a key is done once per spelling. */
  readonly #bySpelling = new Map<string, PointsBuilder>();

  add(spelling: string, step: number, time: number, value: number): void {
    let points = this.#bySpelling.get(spelling);
    if (points === undefined) {
      points = this.#builderOf(storableText(spelling));
      this.#bySpelling.set(spelling, points);
    }
    points.add(step, time, value);
  }

  /** The points of each key, sorted by step and time. */
  build(): Map<string, Points> {
    return new Map([...this.#byKey].map(([key, builder]) => [key, builder.build()]));
  }

  #builderOf(key: string): PointsBuilder {
    let points = this.#byKey.get(key);
    if (points === undefined) {
      points = new PointsBuilder();
      this.#byKey.set(key, points);
    }
    return points;
  }
}

/**
 * Reads the complete lines of `bytes`, which follow on the tail of `state`, into `points`. A line without
 * a timestamp takes `receivedAtMs`. Never throws for what a line holds.
 */
export function parseMetricBytes(
  state: ParserState,
  bytes: Buffer,
  receivedAtMs: number,
  points: PointsByKey,
  format: LineFormat = 'json',
): ParsedLines {
  const run = new LineRun(state, receivedAtMs, points, format);
  let from = bytes.indexOf(NEWLINE) + 1;
  // The first line may have begun in earlier bytes.
  if (from > 0) run.endOfLine(bytes.subarray(0, from - 1));
  const whole = bytes.subarray(from, bytes.lastIndexOf(NEWLINE) + 1);
  const text = from > 0 ? whole.toString('latin1') : '';
  // One decoding for all lines is several times quicker than one each; in ASCII a character is a byte.
  if (isAscii(whole)) for (let at = 0; at < text.length; ) at = run.asciiLine(text, at);
  else
    for (let end = bytes.indexOf(NEWLINE, from); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      run.endOfLine(bytes.subarray(from, end));
      from = end + 1;
    }
  run.rest(bytes.subarray(bytes.lastIndexOf(NEWLINE) + 1));
  return run.result();
}

/** One pass over lines; holds what changes from line to line. */
class LineRun {
  readonly #points: PointsByKey;
  readonly #receivedAtMs: number;
  readonly #format: LineFormat;
  readonly #problems: LineProblem[] = [];
  #unreadable = 0;
  #parsed: number;
  #lines: number;
  #tail: Buffer[];
  #tailBytes: number;
  #inLongLine: boolean;
  #lastPoint: string | undefined;

  constructor(state: ParserState, receivedAtMs: number, points: PointsByKey, format: LineFormat) {
    this.#points = points;
    this.#format = format;
    this.#receivedAtMs = receivedAtMs;
    this.#parsed = state.parsed;
    this.#lines = state.lines;
    this.#tail = [...state.tail];
    this.#tailBytes = state.tail.reduce((sum, part) => sum + part.length, 0);
    this.#inLongLine = state.inLongLine;
    this.#lastPoint = state.lastPoint;
  }

  endOfLine(bytes: Buffer): void {
    const line = this.#tail.length === 0 ? bytes : Buffer.concat([...this.#tail, bytes]);
    if (!this.#inLongLine) this.#readLine(line);
    this.#inLongLine = false;
    this.#parsed += line.length + 1;
    this.#lines += 1;
    this.#tail = [];
    this.#tailBytes = 0;
  }

  /** Reads the line of `text` that begins at `from`, a line's begin. @returns where the next one begins */
  asciiLine(text: string, from: number): number {
    const end = text.indexOf('\n', from);
    if (end - from > MAX_METRIC_LINE_BYTES)
      this.#report(`line is longer than ${MAX_METRIC_LINE_BYTES} bytes`);
    else this.#readText(text.slice(from, end));
    this.#parsed += end - from + 1;
    this.#lines += 1;
    return end + 1;
  }

  rest(bytes: Buffer): void {
    // A copy: the tail must not keep the whole buffer of the request alive.
    if (bytes.length > 0) this.#tail.push(Buffer.from(bytes));
    this.#tailBytes += bytes.length;
    if (!this.#inLongLine && this.#tailBytes <= MAX_METRIC_LINE_BYTES) return;
    if (!this.#inLongLine) this.#report(`line is longer than ${MAX_METRIC_LINE_BYTES} bytes`);
    this.#inLongLine = true;
    this.#parsed += this.#tailBytes;
    this.#tail = [];
    this.#tailBytes = 0;
  }

  result(): ParsedLines {
    return {
      state: {
        parsed: this.#parsed,
        tail: this.#tail,
        inLongLine: this.#inLongLine,
        lines: this.#lines,
        lastPoint: this.#lastPoint,
      },
      unreadable: this.#unreadable,
      problems: this.#problems,
    };
  }

  #readLine(line: Buffer): void {
    if (line.length > MAX_METRIC_LINE_BYTES) {
      this.#report(`line is longer than ${MAX_METRIC_LINE_BYTES} bytes`);
      return;
    }
    this.#readText(line.toString('utf8'));
  }

  #readText(text: string): void {
    if (text.length === 0 || text.trim().length === 0) return;
    const line = this.#format === 'console' ? this.#readConsole(text) : this.#read(text);
    if (line === undefined) return;
    const { step, timeMs, values } = line;
    const time = storableTime(timeMs) ?? this.#receivedAtMs;
    for (const { key, value } of values) this.#points.add(key, step, time, value);
  }

  #readConsole(text: string): MetricLine | undefined {
    const line = parseConsoleLine(text);
    if (line === undefined) return undefined;
    const point = `${line.step} ${line.values.map(({ key, value }) => `${key}=${value}`).join(' ')}`;
    if (point === this.#lastPoint) return undefined;
    this.#lastPoint = point;
    return line;
  }

  #read(text: string): MetricLine | undefined {
    const result = parseMetricLine(text);
    if (result.ok) return result.line;
    this.#report(result.problem);
    return undefined;
  }

  #report(problem: string): void {
    if (this.#format === 'console') return;
    this.#unreadable += 1;
    if (this.#problems.length === MAX_PROBLEMS) return;
    const reason = problem.length <= MAX_REASON ? problem : `${problem.slice(0, MAX_REASON)}…`;
    this.#problems.push({ line: this.#lines + 1, offset: this.#parsed, problem: reason });
  }
}

/** Whole microseconds: what the clocks of training programs give and what chunks store in few bytes. */
function storableTime(timeMs: number | undefined): number | undefined {
  if (timeMs === undefined || !(Math.abs(timeMs) <= MAX_TIME_MS)) return undefined;
  return Math.round(timeMs * 1000) / 1000;
}
