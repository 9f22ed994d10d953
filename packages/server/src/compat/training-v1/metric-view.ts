import { readPoints, toMetricNumber } from '../../ingest/index.ts';
import type { Database } from '../../store/database.ts';

/** A point of the older API: all values of one step. */
export interface JobPoint {
  readonly step: number;
  readonly timestamp: string;
  /** Names of values that are no finite numbers; they are given by name, since JSON has no such numbers. */
  readonly non_finite: string[];
  readonly [key: string]: unknown;
}

/** Points in the order of their steps, at most `limit`; where a step was reported again, the later values count. */
export async function readJobPoints(
  database: Database,
  runId: string,
  query: {
    readonly firstStep?: number | undefined;
    readonly lastStep?: number | undefined;
    readonly limit: number;
  },
): Promise<{ points: JobPoint[]; nextStep: number | null }> {
  const series = await readPoints(database, runId, { ...query, isOfProgram: true });
  const steps = new Set<number>();
  for (const points of series.values()) for (const step of points.steps) steps.add(step);
  const sorted = [...steps].sort((a, b) => a - b);
  const page = new Map(
    sorted.slice(0, query.limit).map((step) => [step, { timeMs: 0, values: new Map<string, number>() }]),
  );
  for (const [key, points] of series) {
    points.steps.forEach((step, index) => {
      const point = page.get(step);
      if (point === undefined) return;
      point.values.set(key, points.values[index]!);
      point.timeMs = Math.max(point.timeMs, points.times[index]!);
    });
  }
  return {
    points: [...page].map(([step, { timeMs, values }]) => toJobPoint(step, timeMs, values)),
    nextStep: sorted[query.limit] ?? null,
  };
}

function toJobPoint(step: number, timeMs: number, values: ReadonlyMap<string, number>): JobPoint {
  const entries = [...values];
  return {
    ...Object.fromEntries(entries.map(([key, value]) => [key, toMetricNumber(value)])),
    step,
    timestamp: new Date(timeMs).toISOString(),
    non_finite: entries
      .filter(([, value]) => !Number.isFinite(value))
      .map(([key]) => key)
      .sort(),
  };
}
