import { setImmediate as nextTurn } from 'node:timers/promises';
import { SYSTEM_PREFIX, TrainyardError } from '@trainyard/protocol';
import type { Database } from '../store/database.ts';
import { inTransaction } from '../store/transaction.ts';
import { decodePoints } from './chunk-codec.ts';
import { clipSteps, type Points } from './points.ts';
import { chunkSizesOfSeries, chunksOfSeries, seriesOfRuns } from './read-sql.ts';
import { type AttemptPoints, visiblePoints } from './visible-points.ts';

interface PointsQuery {
  /** Left out: all keys. */
  readonly keys?: readonly string[] | undefined;
  /** Both ends belong to the range. */
  readonly firstStep?: number | undefined;
  readonly lastStep?: number | undefined;
  /** Leaves out what agents record of their machine: its steps are seconds, not those of the program. */
  readonly isOfProgram?: boolean | undefined;
}

/** Most stored points of one read. */
const MAX_POINTS_PER_READ = 2_000_000;
/** Chunks decoded between two turns of the event loop. */
const CHUNKS_PER_TURN = 64;

/**
 * All points of a run by key, sorted by step and time. Where attempts wrote the same step, the newest
 * attempt's points are given.
 * @throws TrainyardError TOO_LARGE
 */
export function readPoints(
  database: Database,
  runId: string,
  query: PointsQuery = {},
): Promise<Map<string, Points>> {
  const firstStep = query.firstStep ?? Number.MIN_SAFE_INTEGER;
  const lastStep = query.lastStep ?? Number.MAX_SAFE_INTEGER;
  return inTransaction(database.pool, 'repeatable read read only', async (client) => {
    const all = await seriesOfRuns(client, [runId], query.keys);
    const series = query.isOfProgram ? all.filter(({ key }) => !key.startsWith(SYSTEM_PREFIX)) : all;
    const sizes = await chunkSizesOfSeries(
      client,
      series.map((each) => each.id),
      firstStep,
      lastStep,
    );
    const total = sizes.reduce((sum, each) => sum + each.points, 0);
    if (total > MAX_POINTS_PER_READ) throw tooMany(runId, total);
    const result = new Map<string, Points>();
    for (const { id, key } of series) {
      if (!sizes.some((each) => each.seriesId === id)) continue;
      const groups: AttemptPoints[] = [];
      const chunks = await chunksOfSeries(client, id, firstStep, lastStep);
      for (const [index, chunk] of chunks.entries()) {
        if (index % CHUNKS_PER_TURN === CHUNKS_PER_TURN - 1) await nextTurn();
        const points = clipSteps(decodePoints(chunk, chunk.count), firstStep, lastStep);
        if (points.steps.length > 0) groups.push({ attempt: chunk.attempt, points });
      }
      if (groups.length > 0) result.set(key, visiblePoints(groups));
    }
    return result;
  });
}

function tooMany(runId: string, total: number): TrainyardError {
  return new TrainyardError(
    'TOO_LARGE',
    `Run ${runId} has ${total} points in this range, more than the ${MAX_POINTS_PER_READ} of one answer. Ask for fewer keys or a smaller range of steps, or use /api/v1/charts.`,
  );
}
