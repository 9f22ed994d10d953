import type { Pool } from 'pg';
import type { ComparedMetric, ComparedRun } from './compare-runs.ts';
import { noTrackedRun } from './lock-tracked-run.ts';
import { readRunData, readTrackedRuns } from './read-runs.ts';

/** What a comparison needs of runs, in the order of the ids. @throws TrainyardError NOT_FOUND */
export async function readCompared(pool: Pool, runIds: readonly string[]): Promise<ComparedRun[]> {
  const ids = [...new Set(runIds)];
  const runs = await readTrackedRuns(pool, ids);
  const missing = ids.find((id) => !runs.some((run) => run.id === id));
  if (missing !== undefined) throw noTrackedRun(missing);
  const [data, { rows }] = await Promise.all([
    readRunData(pool, runs),
    pool.query<ComparedMetric & { runId: string }>(
      `select run_id as "runId", key, last_value as last, last_step as "lastStep", min, max, count as points
       from metric_series where run_id = any($1::text[])`,
      [ids],
    ),
  ]);
  const metricsOf = Map.groupBy(rows, ({ runId }) => runId);
  return data.map(({ run, params }) => ({ run, params, metrics: metricsOf.get(run.id) ?? [] }));
}
