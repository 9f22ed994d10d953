import type { ClientBase, Pool } from 'pg';
import type { Database } from '../store/database.ts';
import { inTransaction } from '../store/transaction.ts';
import { growPyramids } from './build-pyramid.ts';
import { decodePoints, encodePoints } from './chunk-codec.ts';
import {
  listSeriesIds,
  lockSeries,
  readChunks,
  replaceChunks,
  type StoredChunk,
  smallChunkHeaders,
} from './compaction-sql.ts';
import { planMerges } from './merge-plan.ts';
import { insertChunks, type SeriesChunk } from './metric-sql.ts';
import { cutPoints, mergePoints, summarise } from './points.ts';
import { dropReplacedPoints } from './replaced-points.ts';

export interface Compactor {
  /** Compacts these series in the background, soon. */
  schedule(seriesIds: readonly number[]): void;
  /** Compacts all series of a run, drops points that a newer attempt replaced and makes charts of the rest quick. */
  compactRun(runId: string): Promise<void>;
  /** Resolves when nothing runs or waits in the background. */
  idle(): Promise<void>;
}

/** Series whose rows are locked by one transaction; appends to them wait that long. */
const SERIES_PER_TRANSACTION = 64;

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
        await growPyramids(pool, ids, { atEnd: false });
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
      await growPyramids(pool, ids, { atEnd: true });
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
    const groups = [...Map.groupBy(headers, (header) => header.seriesId).values()].flatMap((own) =>
      planMerges(own, everything),
    );
    const removed: number[] = [];
    for (const batch of batchGroups(groups)) removed.push(...(await mergeGroups(client, batch)));
    await replaceChunks(client, locked, removed);
  });
}

/** Chunks whose data is in memory at once. */
const CHUNKS_PER_BATCH = 4096;

function batchGroups(groups: readonly (readonly number[])[]): (readonly number[])[][] {
  const batches: (readonly number[])[][] = [];
  let room = 0;
  for (const group of groups) {
    if (group.length > room) {
      batches.push([]);
      room = CHUNKS_PER_BATCH;
    }
    batches.at(-1)!.push(group);
    room -= group.length;
  }
  return batches;
}

/** Writes what each group merges to; answers the chunks that are to be removed for it. */
async function mergeGroups(client: ClientBase, groups: readonly (readonly number[])[]): Promise<number[]> {
  const chunks = await readChunks(client, groups.flat());
  const byId = new Map(chunks.map((chunk) => [chunk.id, chunk]));
  const removed: number[] = [];
  const added: SeriesChunk[] = [];
  for (const group of groups) {
    const merged = merge(group.map((id) => byId.get(id)!));
    if (merged.length >= group.length) continue;
    removed.push(...group);
    added.push(...merged);
  }
  if (added.length > 0) await insertChunks(client, added);
  return removed;
}

/** @param chunks of one series and attempt, in the order they were written */
function merge(chunks: readonly StoredChunk[]): SeriesChunk[] {
  const { seriesId, attempt } = chunks[0]!;
  const points = mergePoints(chunks.map((chunk) => decodePoints(chunk, chunk.count)));
  return cutPoints(points).map((part) => ({
    seriesId,
    attempt,
    summary: summarise(part),
    encoded: encodePoints(part),
  }));
}
