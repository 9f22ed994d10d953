import { z } from 'zod';
import { metricNumber } from './api.ts';

/** What charts are drawn over; `wall` is epoch milliseconds, `relative` milliseconds since the run began. */
export const chartAxis = z.enum(['step', 'epoch', 'wall', 'relative']);
export type ChartAxis = z.infer<typeof chartAxis>;

/**
 * One bucket of a chart series: steps first..last, `count` points, of which so many are NaN, Infinity and -Infinity.
 * Min, max and mean are of the finite ones, null if there is none. `firstX` and `lastX` are the places of its first
 * and last point on the axis that was asked for, null where that is not known.
 */
export const chartBucket = z.object({
  firstStep: z.int(),
  lastStep: z.int(),
  count: z.int(),
  nans: z.int(),
  positiveInfinities: z.int(),
  negativeInfinities: z.int(),
  min: z.number().nullable(),
  max: z.number().nullable(),
  mean: metricNumber.nullable(),
  first: metricNumber,
  last: metricNumber,
  firstTime: z.number(),
  lastTime: z.number(),
  firstX: z.number().nullable(),
  lastX: z.number().nullable(),
});
export type ChartBucket = z.infer<typeof chartBucket>;
export const chartSeries = z.object({ runId: z.string(), key: z.string(), buckets: z.array(chartBucket) });
export type ChartSeries = z.infer<typeof chartSeries>;
