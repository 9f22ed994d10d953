import { TrainyardError } from '@trainyard/protocol';
import type { ClientBase } from 'pg';
import type { Database } from '../store/database.ts';
import { inTransaction } from '../store/transaction.ts';
import { type Bucket, Buckets, bucketWidth } from './chart-buckets.ts';
import { planChart } from './chart-plan.ts';
import { decodePoints } from './chunk-codec.ts';
import { clipSteps, filterSteps } from './points.ts';
import {
  type ChunkSummaryRow,
  chunkSummaries,
  chunksById,
  type SeriesRow,
  seriesOfRuns,
} from './read-sql.ts';

interface ChartRequest {
  readonly runIds: readonly string[];
  readonly keys: readonly string[];
  /** Most buckets of a series, 1 to MAX_CHART_BUCKETS. */
  readonly buckets: number;
  /** Both ends belong to the range; left out: all steps of these series. */
  readonly firstStep?: number | undefined;
  readonly lastStep?: number | undefined;
}

export interface ChartOfSeries {
  readonly runId: string;
  readonly key: string;
  readonly buckets: readonly Bucket[];
}

export const MAX_CHART_BUCKETS = 2000;
/** Most series of one chart. */
export const MAX_CHART_SERIES = 500;
/** Most chunk headers of one chart; 200,000 chunks hold up to 800 million points. */
const MAX_CHART_CHUNKS = 200_000;
/** Chunks decoded between two turns of the event loop. */
const CHUNKS_PER_FETCH = 64;

/**
 * Series as buckets of a power of two steps, the same for all series of the chart. Chunks inside of one
 * bucket are answered by their headers; decoded are those over a bucket's edge, at the ends of the range,
 * and where a newer attempt repeats an older one.
 * @throws TrainyardError TOO_LARGE
 */
export function readChart(database: Database, request: ChartRequest): Promise<ChartOfSeries[]> {
  return inTransaction(database.pool, 'repeatable read read only', async (client) => {
    const series = await seriesOfRuns(client, request.runIds, request.keys);
    if (series.length > MAX_CHART_SERIES) throw tooManySeries(series.length);
    if (series.length === 0) return [];
    const range = stepRange(series, request);
    if (range.firstStep > range.lastStep) return [];
    const width = bucketWidth(range.firstStep, range.lastStep, Math.min(request.buckets, MAX_CHART_BUCKETS));
    const summaries = await chunkSummaries(
      client,
      series.map((each) => each.id),
      range.firstStep,
      range.lastStep,
      MAX_CHART_CHUNKS + 1,
    );
    if (summaries.length > MAX_CHART_CHUNKS) throw tooManyChunks();
    const bySeries = Map.groupBy(summaries, (summary) => summary.seriesId);
    const charts: ChartOfSeries[] = [];
    for (const { id, runId, key } of series) {
      const buckets = await fillBuckets(client, bySeries.get(id) ?? [], range, width);
      if (buckets.length > 0) charts.push({ runId, key, buckets });
    }
    return charts;
  });
}

interface StepRange {
  readonly firstStep: number;
  readonly lastStep: number;
}

async function fillBuckets(
  client: ClientBase,
  summaries: readonly ChunkSummaryRow[],
  range: StepRange,
  width: number,
): Promise<Bucket[]> {
  const buckets = new Buckets(width);
  const plan = planChart(summaries, range, (chunk) => buckets.holds(chunk.firstStep, chunk.lastStep));
  for (const summary of plan.whole) buckets.addSummary(summary);
  const replaced = new Set<number>();
  for (const layer of plan.decoded) {
    const steps: number[] = [];
    for (let from = 0; from < layer.length; from += CHUNKS_PER_FETCH) {
      const page = layer.slice(from, from + CHUNKS_PER_FETCH);
      const chunks = await chunksById(
        client,
        page.map((chunk) => chunk.id),
      );
      const byId = new Map(page.map((chunk) => [chunk.id, chunk]));
      for (const chunk of chunks) {
        const { covers, counts } = byId.get(chunk.id)!;
        const points = decodePoints(chunk, chunk.count);
        if (covers) steps.push(...points.steps);
        if (!counts) continue;
        const inRange = clipSteps(points, range.firstStep, range.lastStep);
        buckets.addPoints(
          replaced.size === 0 ? inRange : filterSteps(inRange, (step) => !replaced.has(step)),
        );
      }
    }
    for (const step of steps) replaced.add(step);
  }
  return buckets.list();
}

function stepRange(series: readonly SeriesRow[], request: ChartRequest): StepRange {
  let firstStep = Number.MAX_SAFE_INTEGER;
  let lastStep = 0;
  for (const each of series) {
    firstStep = Math.min(firstStep, each.firstStep);
    lastStep = Math.max(lastStep, each.lastStep);
  }
  return {
    firstStep: Math.max(firstStep, request.firstStep ?? 0),
    lastStep: Math.min(lastStep, request.lastStep ?? Number.MAX_SAFE_INTEGER),
  };
}

function tooManySeries(count: number): TrainyardError {
  return new TrainyardError(
    'TOO_LARGE',
    `The chart has ${count} series, more than ${MAX_CHART_SERIES}. Ask for fewer runs or keys.`,
  );
}

function tooManyChunks(): TrainyardError {
  return new TrainyardError(
    'TOO_LARGE',
    'The chart covers too many points. Ask for fewer series or a smaller range of steps.',
  );
}
