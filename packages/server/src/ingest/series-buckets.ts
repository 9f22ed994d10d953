import { TrainyardError } from '@trainyard/protocol';
import type { ClientBase } from 'pg';
import { type Bucket, Buckets } from './chart-buckets.ts';
import { type ChartPieces, intersect, planPieces } from './chart-pieces.ts';
import { planChart } from './chart-plan.ts';
import { decodePoints } from './chunk-codec.ts';
import { clipSteps, filterSteps } from './points.ts';
import { type StepInterval, TILE_BUCKETS } from './pyramid-shape.ts';
import { readPyramids, readTiles, type Tile, type TileRange } from './pyramid-sql.ts';
import {
  type ChunkSummaryRow,
  chunkSummaries,
  chunksById,
  looseSummaries,
  type SeriesRow,
} from './read-sql.ts';
import { decodeTile } from './tile-codec.ts';

/** Most chunk headers of one chart; 200,000 chunks hold up to 800 million points. */
const MAX_CHART_CHUNKS = 200_000;
/** Chunks decoded between two turns of the event loop. */
const CHUNKS_PER_FETCH = 64;

/**
 * The points of series in a range of steps as buckets of `width` steps, by id of the series; those without points
 * are left out. Read are tiles, what is not in them yet, and where tiles end or attempts overlap chunks: of chunks
 * inside of one bucket the headers, decoded are the others.
 * @throws TrainyardError TOO_LARGE
 */
export async function bucketsOfSeries(
  client: ClientBase,
  series: readonly SeriesRow[],
  range: StepInterval,
  width: number,
): Promise<Map<number, Bucket[]>> {
  const sources = await findSources(client, series, range, width);
  const result = new Map<number, Bucket[]>();
  for (const source of sources) {
    const buckets = new Buckets(width);
    addTiles(buckets, source);
    for (const steps of source.pieces.beside) await addChunks(client, buckets, source.loose, steps);
    for (const steps of source.pieces.chunks) await addChunks(client, buckets, source.chunks, steps);
    const list = buckets.list();
    if (list.length > 0) result.set(source.id, list);
  }
  return result;
}

interface Source {
  readonly id: number;
  readonly pieces: ChartPieces;
  readonly tiles: readonly Tile[];
  /** Headers of chunks that are not in the tiles. */
  readonly loose: readonly ChunkSummaryRow[];
  /** Headers of all chunks that touch the steps of `pieces.chunks`. */
  readonly chunks: readonly ChunkSummaryRow[];
}

async function findSources(
  client: ClientBase,
  series: readonly SeriesRow[],
  range: StepInterval,
  width: number,
): Promise<Source[]> {
  const wanted = series
    .map((each) => ({ seriesId: each.id, ...intersect(each, range) }))
    .filter((each) => each.firstStep <= each.lastStep);
  const ids = wanted.map((each) => each.seriesId);
  const pyramids = new Map((await readPyramids(client, ids)).map((each) => [each.seriesId, each]));
  const withTiles = wanted.flatMap((each) => {
    const pyramid = pyramids.get(each.seriesId);
    return pyramid === undefined ? [] : [{ ...each, throughId: pyramid.throughId }];
  });
  const looseIds = [...pyramids.values()].flatMap((pyramid) => pyramid.loose);
  const loose = bySeries(await looseSummaries(client, withTiles, looseIds, MAX_CHART_CHUNKS + 1));
  const planned = wanted.map((each) => {
    const own = loose.get(each.seriesId) ?? [];
    const { seriesId: id } = each;
    return { id, loose: own, pieces: planPieces(each, width, pyramids.get(id), own) };
  });
  const tiles = Map.groupBy(await readTiles(client, planned.flatMap(tileRanges)), (tile) => tile.seriesId);
  const steps = planned.flatMap(({ id, pieces }) => pieces.chunks.map((each) => ({ seriesId: id, ...each })));
  const chunks = bySeries(await chunkSummaries(client, steps, MAX_CHART_CHUNKS + 1));
  return planned.map((each) => ({
    ...each,
    tiles: tiles.get(each.id) ?? [],
    chunks: chunks.get(each.id) ?? [],
  }));
}

function bySeries(summaries: readonly ChunkSummaryRow[]): Map<number, ChunkSummaryRow[]> {
  if (summaries.length > MAX_CHART_CHUNKS) throw tooManyChunks();
  return Map.groupBy(summaries, (summary) => summary.seriesId);
}

function tileRanges({ id, pieces }: Pick<Source, 'id' | 'pieces'>): TileRange[] {
  return pieces.buckets.map(({ level, firstStep, lastStep }) => {
    const width = 2 ** level * TILE_BUCKETS;
    return {
      seriesId: id,
      level,
      firstTile: Math.floor(firstStep / width),
      lastTile: Math.floor(lastStep / width),
    };
  });
}

function addTiles(buckets: Buckets, { tiles, pieces }: Source): void {
  const intervals = Map.groupBy(pieces.buckets, (interval) => interval.level);
  // Two pieces of a level, left and right of the middle, may lie in one tile.
  const seen = new Set<string>();
  for (const { attempt, level, tile, data } of tiles) {
    const place = `${attempt} ${level} ${tile}`;
    if (seen.has(place)) continue;
    seen.add(place);
    const wanted = intervals.get(level) ?? [];
    for (const bucket of decodeTile(data)) {
      const isWanted = wanted.some(
        ({ firstStep, lastStep }) => bucket.firstStep >= firstStep && bucket.lastStep <= lastStep,
      );
      if (isWanted) buckets.addSummary(bucket);
    }
  }
}

/** Adds what these chunks hold in these steps: of points that attempts wrote at the same step the newest. */
async function addChunks(
  client: ClientBase,
  buckets: Buckets,
  chunks: readonly ChunkSummaryRow[],
  steps: StepInterval,
): Promise<void> {
  const touching = chunks.filter(
    (chunk) => chunk.firstStep <= steps.lastStep && chunk.lastStep >= steps.firstStep,
  );
  const plan = planChart(touching, steps, (chunk) => buckets.holds(chunk.firstStep, chunk.lastStep));
  for (const summary of plan.whole) buckets.addSummary(summary);
  const replaced = new Set<number>();
  for (const layer of plan.decoded) {
    const written: number[] = [];
    for (let from = 0; from < layer.length; from += CHUNKS_PER_FETCH) {
      const page = layer.slice(from, from + CHUNKS_PER_FETCH);
      const byId = new Map(page.map((chunk) => [chunk.id, chunk]));
      for (const chunk of await chunksById(client, [...byId.keys()])) {
        const { covers, counts } = byId.get(chunk.id)!;
        const points = clipSteps(decodePoints(chunk, chunk.count), steps.firstStep, steps.lastStep);
        if (covers) written.push(...points.steps);
        if (!counts) continue;
        buckets.addPoints(replaced.size === 0 ? points : filterSteps(points, (step) => !replaced.has(step)));
      }
    }
    for (const step of written) replaced.add(step);
  }
}

function tooManyChunks(): TrainyardError {
  return new TrainyardError(
    'TOO_LARGE',
    'The chart covers too many points. Ask for fewer series or a smaller range of steps.',
  );
}
