import { type ChartAxis, TrainyardError } from '@trainyard/protocol';
import type { Database } from '../store/database.ts';
import { inTransaction } from '../store/transaction.ts';
import { type AxisPlace, chartAxis } from './chart-axis.ts';
import { type Bucket, bucketWidth } from './chart-buckets.ts';
import type { StepInterval } from './pyramid-shape.ts';
import { type SeriesRow, seriesOfRuns } from './read-sql.ts';
import { bucketsOfSeries } from './series-buckets.ts';

interface ChartRequest {
  readonly runIds: readonly string[];
  readonly keys: readonly string[];
  /** Most buckets of a series, 1 to MAX_CHART_BUCKETS. */
  readonly buckets: number;
  /** Both ends belong to the range; left out: all steps of these series. */
  readonly firstStep?: number | undefined;
  readonly lastStep?: number | undefined;
  /** Left out: steps. */
  readonly x?: ChartAxis | undefined;
}

export interface ChartOfSeries {
  readonly runId: string;
  readonly key: string;
  readonly buckets: readonly (Bucket & AxisPlace)[];
}

export const MAX_CHART_BUCKETS = 2000;
/** Most series of one chart. */
export const MAX_CHART_SERIES = 500;

/**
 * Series as buckets of a power of two steps, the same for all series of the chart, read from what is summed up
 * already (docs/decisions/0051-charts-as-a-pyramid.md).
 * @throws TrainyardError TOO_LARGE
 */
export function readChart(database: Database, request: ChartRequest): Promise<ChartOfSeries[]> {
  const { runIds, keys, x = 'step' } = request;
  return inTransaction(database.pool, 'repeatable read read only', async (client) => {
    const series = await seriesOfRuns(client, runIds, keys);
    if (series.length > MAX_CHART_SERIES) throw tooManySeries(series.length);
    if (series.length === 0) return [];
    const range = stepRange(series, request);
    if (range.firstStep > range.lastStep) return [];
    const width = bucketWidth(range.firstStep, range.lastStep, Math.min(request.buckets, MAX_CHART_BUCKETS));
    const found = await bucketsOfSeries(client, series, range, width);
    const axis = await chartAxis(client, { runIds, x, range, width });
    return series.flatMap(({ id, runId, key }) => {
      const buckets = found.get(id);
      if (buckets === undefined) return [];
      const places = axis(runId, buckets);
      return [{ runId, key, buckets: buckets.map((bucket, index) => ({ ...bucket, ...places[index]! })) }];
    });
  });
}

function stepRange(series: readonly SeriesRow[], request: ChartRequest): StepInterval {
  const firstStep = Math.min(...series.map((each) => each.firstStep));
  const lastStep = Math.max(...series.map((each) => each.lastStep));
  return {
    firstStep: Math.max(firstStep, request.firstStep ?? firstStep),
    lastStep: Math.min(lastStep, request.lastStep ?? lastStep),
  };
}

function tooManySeries(count: number): TrainyardError {
  return new TrainyardError(
    'TOO_LARGE',
    `The chart has ${count} series, more than ${MAX_CHART_SERIES}. Ask for fewer runs or keys.`,
  );
}
