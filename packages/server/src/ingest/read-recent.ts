import type { Pool } from 'pg';
import { decodePoints } from './chunk-codec.ts';
import { clipSteps, mergePoints, type Points, slicePoints } from './points.ts';

/** Chunks of a series that are looked at: more than there are between two compactions. */
const MAX_CHUNKS = 128;

interface RecentQuery {
  readonly runId: string;
  /** Only points of this attempt. */
  readonly attempt: number;
  /** Only points before this step. */
  readonly before: number;
  /** Points of each series, the newest ones. */
  readonly count: number;
  readonly wants: (key: string) => boolean;
}

/** The newest points of an attempt by key, sorted by step and time. */
export async function readRecent(pool: Pool, query: RecentQuery): Promise<Map<string, Points>> {
  const { rows: series } = await pool.query<{ id: number; key: string }>({
    name: 'recent-series',
    text: 'select id, key from metric_series where run_id = $1',
    values: [query.runId],
  });
  const result = new Map<string, Points>();
  for (const { id, key } of series.filter((each) => query.wants(each.key))) {
    const { rows } = await pool.query<{ codec: number; data: Buffer; count: number }>({
      name: 'recent-chunks',
      text: `select codec, data, n as count from metric_chunks
        where series_id = $1 and attempt = $2 and first_step < $3
        order by first_step desc, id desc limit ${MAX_CHUNKS}`,
      values: [id, query.attempt, query.before],
    });
    const groups: Points[] = [];
    let found = 0;
    for (const chunk of rows) {
      if (found >= query.count) break;
      const points = clipSteps(decodePoints(chunk, chunk.count), Number.MIN_SAFE_INTEGER, query.before - 1);
      groups.push(points);
      found += points.steps.length;
    }
    if (found === 0) continue;
    const merged = mergePoints(groups.reverse());
    result.set(key, slicePoints(merged, Math.max(0, found - query.count), found));
  }
  return result;
}
