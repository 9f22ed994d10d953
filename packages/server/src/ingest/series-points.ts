import { encodePoints } from './chunk-codec.ts';
import type { NewSeriesPoints } from './metric-sql.ts';
import { cutPoints, type Points, summarise } from './points.ts';

/** Whose points they are. */
export interface SeriesOrigin {
  readonly runId: string;
  readonly attemptNumber: number;
}

/** Points by key as they are written: summarised, cut into chunks and encoded. */
export function toSeriesPoints(origin: SeriesOrigin, points: ReadonlyMap<string, Points>): NewSeriesPoints[] {
  return [...points].map(([key, group]) => ({
    runId: origin.runId,
    key,
    attempt: origin.attemptNumber,
    summary: summarise(group),
    chunks: cutPoints(group).map((part) => ({ summary: summarise(part), encoded: encodePoints(part) })),
  }));
}
