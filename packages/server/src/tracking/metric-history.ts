import { TrainyardError } from '@trainyard/protocol';
import type { ClientBase } from 'pg';
import { decodePoints, type Points } from '../ingest/index.ts';
import { visiblePoints } from '../ingest/visible-points.ts';
import type { Database } from '../store/database.ts';
import { inTransaction } from '../store/transaction.ts';
import { valueRank } from './value-rank.ts';

/** Most stored points of one read, of all runs together. */
const MAX_POINTS_PER_READ = 2_000_000;

/**
 * All points of one key, negative steps included, by run, sorted by step and time; runs without any are left out.
 * @throws TrainyardError TOO_LARGE
 */
export function readHistories(
  database: Database,
  runIds: readonly string[],
  key: string,
): Promise<Map<string, Points>> {
  return inTransaction(database.pool, 'repeatable read read only', async (client) => {
    await requireReadable(client, runIds, key);
    const histories = new Map<string, Points>();
    for (const runId of new Set(runIds)) {
      const groups = await readChunks(client, runId, key);
      if (groups.length > 0) histories.set(runId, visiblePoints(groups));
    }
    return histories;
  });
}

/** Points as MLflow orders them: by time, then step, then value. */
export function inOrderOfTime({ steps, times, values }: Points): Points {
  let isOrdered = true;
  for (let i = 1; i < times.length && isOrdered; i++) {
    if (times[i]! < times[i - 1]!) isOrdered = false;
    else if (times[i]! === times[i - 1]! && steps[i]! === steps[i - 1]!)
      isOrdered = values[i]! > values[i - 1]!;
  }
  if (isOrdered) return { steps, times, values };
  const order = Array.from(steps.keys()).sort(
    (a, b) => times[a]! - times[b]! || steps[a]! - steps[b]! || valueRank(values[a]!) - valueRank(values[b]!),
  );
  const take = (column: Float64Array) => Float64Array.from(order, (index) => column[index]!);
  return { steps: take(steps), times: take(times), values: take(values) };
}

async function requireReadable(client: ClientBase, runIds: readonly string[], key: string): Promise<void> {
  const { rows } = await client.query<{ points: number }>({
    name: 'tracking-count-points',
    text: `select coalesce(sum(count), 0)::int8 as points from metric_series
      where run_id = any($1::text[]) and key = $2`,
    values: [runIds, key],
  });
  const points = rows[0]?.points ?? 0;
  if (points <= MAX_POINTS_PER_READ) return;
  throw new TrainyardError(
    'TOO_LARGE',
    `"${key}" has ${points} points, more than the ${MAX_POINTS_PER_READ} of one answer. Use /api/v1/charts, or ask for fewer runs.`,
  );
}

async function readChunks(client: ClientBase, runId: string, key: string) {
  const { rows } = await client.query<{ attempt: number; count: number; codec: number; data: Buffer }>({
    name: 'tracking-read-history',
    text: `select c.attempt, c.n as count, c.codec, c.data
      from metric_series s join metric_chunks c on c.series_id = s.id
      where s.run_id = $1 and s.key = $2 order by c.id`,
    values: [runId, key],
  });
  return rows.map(({ attempt, count, ...chunk }) => ({ attempt, points: decodePoints(chunk, count) }));
}
