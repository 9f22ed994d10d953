import type { ChartAxis } from '@trainyard/protocol';
import type { StepRange } from './client.ts';

/** Which series are drawn, and over what. */
export interface ChartQuery extends StepRange {
  readonly runIds: readonly string[];
  readonly keys: readonly string[];
  /** Most buckets of a series. */
  readonly buckets?: number;
  /** Places of buckets are given on it; left out: steps. */
  readonly x?: ChartAxis;
}
