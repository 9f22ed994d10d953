import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ClientBase, Pool } from 'pg';
import { inTransaction } from '../store/transaction.ts';
import { type Bucket, Buckets } from './chart-buckets.ts';
import { decodePoints } from './chunk-codec.ts';
import { lockSeries, readChunks } from './compaction-sql.ts';
import { SMALL_CHUNK_POINTS } from './merge-plan.ts';
import { isOutgrown, levelsOf, type PyramidShape, pyramidShape, TILE_BUCKETS } from './pyramid-shape.ts';
import {
  type ChunkOutline,
  chunkOutlines,
  deletePyramid,
  readPyramids,
  readTiles,
  seriesToGrow,
  type Tile,
  type TilePlace,
  writePyramid,
  writeTiles,
} from './pyramid-sql.ts';
import { decodeTile, encodeTile } from './tile-codec.ts';

/** Large chunks that wait for the tiles: each tile is written once for so many of them. */
const ADDED_AT_CHUNKS = 32;
/** The same when the attempt has ended. A series of fewer is quickly read as it is. */
const ADDED_AT_END_CHUNKS = 8;
/** A series of which so many small chunks cannot be merged is read by their headers. */
const MAX_LOOSE_CHUNKS = 10_000;
/** Chunks whose points are in memory at once, and between two turns of the event loop. */
const CHUNKS_PER_PAGE = 256;
const CHUNKS_PER_TURN = 16;

/**
 * Adds to the pyramids of these series what large chunks came since the last time, where that is worth it. Small
 * chunks stay outside until they are merged to large ones. A transaction for each series: appends to it wait so long.
 */
export async function growPyramids(
  pool: Pool,
  seriesIds: readonly number[],
  { atEnd }: { readonly atEnd: boolean },
): Promise<void> {
  const least = atEnd ? ADDED_AT_END_CHUNKS : ADDED_AT_CHUNKS;
  for (const seriesId of await seriesToGrow(pool, seriesIds, least)) {
    await inTransaction(pool, 'read committed', async (client) => {
      // The ids of a series' chunks grow in the order in which they become visible: who writes some has locked it.
      if ((await lockSeries(client, [seriesId])).length > 0) await growPyramid(client, seriesId);
    });
  }
}

async function growPyramid(client: ClientBase, seriesId: number): Promise<void> {
  const [before] = await readPyramids(client, [seriesId]);
  const chunks = await chunkOutlines(client, seriesId);
  const large = chunks.filter((chunk) => chunk.count >= SMALL_CHUNK_POINTS);
  const added = large.filter((chunk) => chunk.id > (before?.throughId ?? 0));
  if (added.length === 0 || chunks.length - large.length > MAX_LOOSE_CHUNKS) return;
  const extent = extentOf(large);
  const isAnew = before === undefined || isOutgrown(before, extent);
  if (isAnew && before !== undefined) await deletePyramid(client, seriesId);
  const shape = isAnew ? pyramidShape(extent) : before;
  for (const [attempt, own] of Map.groupBy(isAnew ? large : added, (chunk) => chunk.attempt)) {
    for (let from = 0; from < own.length; from += CHUNKS_PER_PAGE)
      await addChunks(client, { seriesId, attempt, shape }, own.slice(from, from + CHUNKS_PER_PAGE));
  }
  await writePyramid(client, {
    ...{ seriesId, baseLevel: shape.baseLevel, topLevel: shape.topLevel },
    throughId: chunks.at(-1)!.id,
    loose: chunks.filter((chunk) => chunk.count < SMALL_CHUNK_POINTS).map((chunk) => chunk.id),
    attempts: [...Map.groupBy(large, (chunk) => chunk.attempt)].map(([attempt, own]) => ({
      attempt,
      ...extentOf(own),
    })),
  });
}

interface Target {
  readonly seriesId: number;
  readonly attempt: number;
  readonly shape: PyramidShape;
}

async function addChunks(client: ClientBase, target: Target, chunks: readonly ChunkOutline[]): Promise<void> {
  const stored = await readChunks(
    client,
    chunks.map((chunk) => chunk.id),
  );
  const [base, ...above] = levelsOf(target.shape);
  const lowest = new Buckets(2 ** base!);
  for (const [index, chunk] of stored.entries()) {
    if (index % CHUNKS_PER_TURN === CHUNKS_PER_TURN - 1) await nextTurn();
    lowest.addPoints(decodePoints(chunk, chunk.count));
  }
  let buckets = lowest.list();
  const news = tilesOf(buckets, base!);
  for (const level of above) {
    const merged = new Buckets(2 ** level);
    for (const bucket of buckets) merged.addSummary(bucket);
    buckets = merged.list();
    news.push(...tilesOf(buckets, level));
  }
  await joinTiles(client, target, news);
}

interface NewTile extends Omit<TilePlace, 'attempt'> {
  readonly buckets: readonly Bucket[];
}

function tilesOf(buckets: readonly Bucket[], level: number): NewTile[] {
  const width = 2 ** level * TILE_BUCKETS;
  const tiles = Map.groupBy(buckets, (bucket) => Math.floor(bucket.firstStep / width));
  return [...tiles].map(([tile, own]) => ({ level, tile, buckets: own }));
}

async function joinTiles(
  client: ClientBase,
  { seriesId, attempt }: Target,
  news: readonly NewTile[],
): Promise<void> {
  const wanted = news.map(({ level, tile }) => ({ seriesId, level, firstTile: tile, lastTile: tile }));
  const known = new Map(
    (await readTiles(client, wanted))
      .filter((tile) => tile.attempt === attempt)
      .map((tile) => [`${tile.level} ${tile.tile}`, tile.data]),
  );
  const joined = news.map(({ level, tile, buckets }): Tile => {
    const data = known.get(`${level} ${tile}`);
    return { seriesId, attempt, level, tile, data: encodeTile(data ? join(data, level, buckets) : buckets) };
  });
  await writeTiles(client, joined);
}

function join(data: Buffer, level: number, news: readonly Bucket[]): Bucket[] {
  const buckets = new Buckets(2 ** level);
  for (const bucket of decodeTile(data)) buckets.addSummary(bucket);
  for (const bucket of news) buckets.addSummary(bucket);
  return buckets.list();
}

function extentOf(chunks: readonly ChunkOutline[]) {
  let firstStep = Number.POSITIVE_INFINITY;
  let lastStep = Number.NEGATIVE_INFINITY;
  let count = 0;
  for (const chunk of chunks) {
    firstStep = Math.min(firstStep, chunk.firstStep);
    lastStep = Math.max(lastStep, chunk.lastStep);
    count += chunk.count;
  }
  return { firstStep, lastStep, count };
}
