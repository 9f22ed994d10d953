import type { MetricRow } from '@trainyard/protocol';
import type { Points } from '../../ingest/index.ts';
import type { Anomaly } from '../../store/metric-anomalies.ts';

/** The steps of several series, each once, in order. */
export function stepsOf(series: ReadonlyMap<string, Points>): Float64Array {
  const steps = new Set<number>();
  for (const points of series.values()) for (const step of points.steps) steps.add(step);
  return Float64Array.from(steps).sort();
}

/**
 * One row per step: `reward/mean` is `reward_mean`, as the older tables call it. Where a step has several
 * points of a key the last one counts. Numbers that JSON cannot write are strings.
 */
export function* metricRows(
  series: ReadonlyMap<string, Points>,
  steps: Float64Array,
  anomalies: ReadonlyMap<number, Anomaly>,
): Generator<MetricRow> {
  const readers = [...series].map(([key, points]) => ({ name: key.replaceAll('/', '_'), points, at: 0 }));
  for (const step of steps) {
    const row: Record<string, number | string> = {};
    let time = 0;
    for (const reader of readers) {
      const { points, name } = reader;
      for (; points.steps[reader.at] === step; reader.at += 1) {
        const value = points.values[reader.at]!;
        row[name] = Number.isFinite(value) ? value : String(value);
        time = points.times[reader.at]!;
      }
    }
    const anomaly = anomalies.get(step);
    yield {
      ...row,
      step,
      timestamp: time / 1000,
      anomaly_detected: anomaly !== undefined,
      anomaly_reason: anomaly?.reason ?? null,
    };
  }
}
