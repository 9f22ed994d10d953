import type { MetricNumber } from '../metrics/metric-value.ts';
import type { MetricRecord } from '../trackers/tracker.ts';
import type { Level } from './level.ts';

/** A metric of a level, as trackers are told of it. */
export function recordOf(
  level: Level,
  name: string,
  { total, labels }: MetricNumber,
  timeMs: number,
): MetricRecord {
  return {
    name,
    value: total,
    ...(labels !== undefined && { labels }),
    step: level.step,
    epoch: epochOf(level)?.index ?? null,
    batch: level.kind === 'batch' ? level.index : null,
    of: level.kind,
    timeMs,
  };
}

/** The epoch that a level is, or is in. */
export function epochOf(level: Level | null | undefined): Level | null {
  if (level?.kind === 'batch') return level.parent;
  return level?.kind === 'epoch' ? level : null;
}
