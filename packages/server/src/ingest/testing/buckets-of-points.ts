import { bucketWidth } from '../chart-buckets.ts';
import type { Points, PointsSummary } from '../points.ts';
import { summarise } from '../points.ts';

/** The buckets of a chart over steps, made of all points of a series. */
export function bucketsOfPoints(
  points: Points,
  query: { buckets: number; firstStep?: number | undefined; lastStep?: number | undefined },
): (PointsSummary & { firstX: number; lastX: number })[] {
  const { firstStep: first = Number.MIN_SAFE_INTEGER, lastStep: last = Number.MAX_SAFE_INTEGER } = query;
  const { steps, times, values } = points;
  const from = Math.max(first, steps[0]!);
  const to = Math.max(from, Math.min(last, steps.at(-1)!));
  const width = bucketWidth(from, to, query.buckets);
  const groups = Map.groupBy(
    Array.from(steps.keys()).filter((i) => steps[i]! >= first && steps[i]! <= last),
    (i) => Math.floor(steps[i]! / width),
  );
  const take = (column: Float64Array, indices: readonly number[]) =>
    Float64Array.from(indices, (i) => column[i]!);
  return [...groups.values()].map((indices) => {
    const group = { steps: take(steps, indices), times: take(times, indices), values: take(values, indices) };
    const summary = summarise(group);
    return { ...summary, firstX: summary.firstStep, lastX: summary.lastStep };
  });
}
