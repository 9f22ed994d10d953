import type { ClientBase, Pool } from 'pg';
import type { Database } from '../store/database.ts';
import { decodePoints, encodePoints } from './chunk-codec.ts';
import {
  insertChunks,
  listSeriesIds,
  lockSeries,
  readChunks,
  replaceChunks,
  type SeriesChunk,
  type StoredChunk,
  smallChunkHeaders,
} from './compaction-sql.ts';
import { planMerges } from './merge-plan.ts';
import { cutPoints, mergePoints, summarise } from './points.ts';
import { dropReplacedPoints } from './replaced-points.ts';
import { inTransaction } from './transaction.ts';

export interface Compactor {
  /** Compacts these series in the background, soon. */
  schedule(seriesIds: readonly number[]): void;
  /** Compacts all series of a run and drops points that a newer attempt replaced. */
  compactRun(runId: string): Promise<void>;
  /** Resolves when nothing runs or waits in the background. */
  idle(): Promise<void>;
}

/** Series whose rows are locked by one transaction; appends to them wait that long. */
const SERIES_PER_TRANSACTION = 16;

export function createCompactor(database: Database, onError: (error: unknown) => void): Compactor {
  const { pool } = database;
  const pending = new Set<number>();
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    while (pending.size > 0) {
      const ids = [...pending].slice(0, SERIES_PER_TRANSACTION);
      for (const id of ids) pending.delete(id);
      try {
        await compactSeries(pool, ids, false);
      } catch (error) {
        onError(error);
      }
    }
    working = undefined;
  }

  return {
    schedule(seriesIds) {
      for (const id of seriesIds) pending.add(id);
      if (pending.size > 0) working ??= work();
    },
    async compactRun(runId) {
      const ids = await listSeriesIds(pool, runId);
      for (let from = 0; from < ids.length; from += SERIES_PER_TRANSACTION) {
        await compactSeries(pool, ids.slice(from, from + SERIES_PER_TRANSACTION), true);
      }
      await dropReplacedPoints(pool, ids);
    },
    async idle() {
      await working;
    },
  };
}

/** One transaction: appends to these series wait for it, readers see the chunks before or after. */
function compactSeries(pool: Pool, seriesIds: readonly number[], everything: boolean): Promise<void> {
  return inTransaction(pool, 'read committed', async (client) => {
    const locked = await lockSeries(client, seriesIds);
    const headers = await smallChunkHeaders(client, locked);
    const removed: number[] = [];
    const added: SeriesChunk[] = [];
    for (const seriesId of locked) {
      const own = headers.filter((header) => header.seriesId === seriesId);
      for (const group of planMerges(own, everything)) {
        const merged = await mergeGroup(client, group);
        if (merged.length >= group.length) continue;
        removed.push(...group);
        added.push(...merged);
      }
    }
    await replaceChunks(client, locked, removed);
    if (added.length > 0) await insertChunks(client, added);
  });
}

async function mergeGroup(client: ClientBase, ids: readonly number[]): Promise<SeriesChunk[]> {
  const chunks = await readChunks(client, ids);
  const first = chunks[0];
  if (first === undefined) return [];
  const points = mergePoints(chunks.map((chunk) => decodePoints(chunk, chunk.count)));
  return cutPoints(points).map((part) => toChunk(first, part));
}

function toChunk(like: StoredChunk, points: Parameters<typeof summarise>[0]): SeriesChunk {
  return {
    seriesId: like.seriesId,
    attempt: like.attempt,
    summary: summarise(points),
    encoded: encodePoints(points),
  };
}
