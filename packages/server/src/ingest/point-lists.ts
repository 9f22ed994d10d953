import type { MetricPoint } from '@trainyard/protocol';
import { toMetricNumber } from './metric-number.ts';
import type { Points } from './points.ts';

/** Points by key as they are told to readers. */
export function toPointLists(points: ReadonlyMap<string, Points>): Record<string, MetricPoint[]> {
  const lists: [string, MetricPoint[]][] = [...points].map(([key, series]) => [
    key,
    Array.from(series.steps, (step, index) => ({
      step,
      value: toMetricNumber(series.values[index]!),
      time: series.times[index]!,
    })),
  ]);
  return Object.fromEntries(lists);
}
