import type { ClientBase, Pool } from 'pg';
import { inTransaction } from '../store/transaction.ts';
import { decodePoints, encodePoints } from './chunk-codec.ts';
import {
  chunkRanges,
  lockSeries,
  readChunks,
  recountSeries,
  replaceChunks,
  seriesOfSeveralAttempts,
} from './compaction-sql.ts';
import { insertChunks } from './metric-sql.ts';
import { filterSteps, summarise } from './points.ts';
import { deletePyramid } from './pyramid-sql.ts';

/**
 * Removes points of older attempts whose step a newer attempt wrote again, and counts the series anew.
 * Readers leave those points out anyway; this makes count, min and max of the series right and charts
 * quick. One transaction per series.
 */
export async function dropReplacedPoints(pool: Pool, seriesIds: readonly number[]): Promise<void> {
  if (seriesIds.length === 0) return;
  for (const seriesId of await seriesOfSeveralAttempts(pool, seriesIds)) {
    await inTransaction(pool, 'read committed', (client) => dropInSeries(client, seriesId));
  }
}

async function dropInSeries(client: ClientBase, seriesId: number): Promise<void> {
  await lockSeries(client, [seriesId]);
  const ranges = await chunkRanges(client, seriesId);
  let changed = false;
  for (const older of ranges) {
    const newer = ranges.filter(
      (range) =>
        range.attempt > older.attempt &&
        range.firstStep <= older.lastStep &&
        range.lastStep >= older.firstStep,
    );
    if (newer.length > 0 && (await dropInChunk(client, older.id, newer))) changed = true;
  }
  if (!changed) return;
  await recountSeries(client, seriesId);
  // What was dropped cannot be taken out of sums.
  await deletePyramid(client, seriesId);
}

async function dropInChunk(
  client: ClientBase,
  olderId: number,
  newer: readonly { id: number }[],
): Promise<boolean> {
  const [chunk] = await readChunks(client, [olderId]);
  if (chunk === undefined) return false;
  const replaced = new Set<number>();
  for (const { id } of newer) {
    // Still there: chunks are rewritten from the oldest attempt on, so no newer one has been touched yet.
    const [covering] = await readChunks(client, [id]);
    if (covering === undefined) throw new Error(`metric chunk ${id} vanished while its series was locked`);
    for (const step of decodePoints(covering, covering.count).steps) replaced.add(step);
  }
  const points = decodePoints(chunk, chunk.count);
  const kept = filterSteps(points, (step) => !replaced.has(step));
  if (kept === points) return false;
  await replaceChunks(client, [], [olderId]);
  if (kept.steps.length > 0) {
    await insertChunks(client, [
      {
        seriesId: chunk.seriesId,
        attempt: chunk.attempt,
        summary: summarise(kept),
        encoded: encodePoints(kept),
      },
    ]);
  }
  return true;
}
