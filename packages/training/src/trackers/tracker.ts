import type { Level, LevelEnd, LevelKind } from '../lifecycle/level.ts';

/** One recorded value. */
export interface MetricRecord {
  readonly name: string;
  readonly value: number;
  /** The parts of the value, where it has some. */
  readonly labels?: Readonly<Record<string, number>>;
  /** The x-axis: of an epoch's metrics its number, of others what the program says. */
  readonly step: number;
  readonly epoch: number | null;
  readonly batch: number | null;
  /** At the end of what it was recorded; null for a value that was tracked at once. */
  readonly of: LevelKind | null;
  /** Epoch milliseconds. */
  readonly timeMs: number;
}

/**
 * A place where a run is recorded. Calls come in order, one at a time, and beside training: a tracker that is slow,
 * throws or never answers holds up neither training nor other trackers.
 */
export interface Tracker {
  readonly name: string;
  /** Values that wait, because the tracker is slower than the program, are handed over together, up to so many. */
  readonly joinsValues?: number;
  onStart?(level: Level): unknown;
  logParams?(params: Readonly<Record<string, unknown>>): unknown;
  /** Values that were recorded together. */
  track?(records: readonly MetricRecord[]): unknown;
  onEnd?(level: Level, end: LevelEnd): unknown;
  /** The last call. */
  close?(): unknown;
}
