import type { MetricNumber } from '@trainyard/protocol';

/** JSON has no words for these values, so they travel as text. */
export function toMetricNumber(value: number): MetricNumber {
  if (Number.isFinite(value)) return value;
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? 'Infinity' : '-Infinity';
}
