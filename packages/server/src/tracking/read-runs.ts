import type { RunKind, RunStatus } from '@trainyard/protocol';
import type { Pool } from 'pg';
import type { Tag } from './experiments.ts';
import { noTrackedRun } from './lock-tracked-run.ts';

/** A tracked run without what hangs on it. */
export interface TrackedRun {
  readonly id: string;
  readonly kind: RunKind;
  readonly experimentId: number;
  readonly name: string;
  readonly userId: string;
  readonly status: RunStatus;
  /** Epoch milliseconds. */
  readonly startMs: number;
  readonly endMs: number | null;
  readonly isDeleted: boolean;
  /** Null: in the place of its experiment. */
  readonly artifactUri: string | null;
  readonly artifactLocation: string | null;
  readonly forkedFrom: string | null;
  readonly forkedStep: number | null;
}

export interface LatestMetric {
  readonly key: string;
  readonly value: number;
  readonly step: number;
  /** Epoch milliseconds. */
  readonly time: number;
}

export interface RunData {
  readonly run: TrackedRun;
  readonly params: readonly Tag[];
  readonly tags: readonly Tag[];
  readonly metrics: readonly LatestMetric[];
}

/** Columns of `tracked_runs x`, `runs r` and `experiments e`, for queries of others. */
export const TRACKED_RUN_COLUMNS = `x.run_id as id, r.kind, x.experiment_id as "experimentId", x.name,
  x.user_id as "userId", r.status, x.start_ms as "startMs",
  case when r.kind = 'external' then x.end_ms
    else (extract(epoch from r.ended_at) * 1000)::int8 end as "endMs",
  x.deleted_at is not null as "isDeleted", x.artifact_uri as "artifactUri",
  e.artifact_location as "artifactLocation", x.forked_from as "forkedFrom", x.forked_step as "forkedStep"`;

/** In the order of the ids; those that are not tracked are left out. */
export async function readTrackedRuns(pool: Pool, ids: readonly string[]): Promise<TrackedRun[]> {
  const { rows } = await pool.query<TrackedRun>({
    name: 'tracking-read-runs',
    text: `select ${TRACKED_RUN_COLUMNS}
      from unnest($1::text[]) with ordinality as w (id, place)
      join tracked_runs x on x.run_id = w.id join runs r on r.id = w.id
      join experiments e on e.id = x.experiment_id
      order by w.place`,
    values: [ids],
  });
  return rows;
}

/** @throws TrainyardError NOT_FOUND */
export async function getTrackedRun(pool: Pool, id: string): Promise<TrackedRun> {
  const [run] = await readTrackedRuns(pool, [id]);
  if (run === undefined) throw noTrackedRun(id);
  return run;
}

/** With params, tags and latest metrics, each by key. */
export async function readRunData(pool: Pool, runs: readonly TrackedRun[]): Promise<RunData[]> {
  if (runs.length === 0) return [];
  const values = [runs.map(({ id }) => id)];
  const pairs = (table: 'run_params' | 'run_tags') =>
    pool.query<Tag & { runId: string }>({
      name: `tracking-read-${table}`,
      text: `select run_id as "runId", key, value from ${table} where run_id = any($1::text[]) order by run_id, key`,
      values,
    });
  const [params, tags, metrics] = await Promise.all([
    pairs('run_params'),
    pairs('run_tags'),
    pool.query<LatestMetric & { runId: string }>({
      name: 'tracking-read-latest',
      text: `select run_id as "runId", key, last_value as value, last_step as step, last_time as time
        from metric_series where run_id = any($1::text[]) order by run_id, key`,
      values,
    }),
  ]);
  const byRun = <Row extends { readonly runId: string }>(rows: readonly Row[]) => {
    const groups = Map.groupBy(rows, ({ runId }) => runId);
    return (id: string): readonly Row[] => groups.get(id) ?? [];
  };
  const [paramsOf, tagsOf, metricsOf] = [byRun(params.rows), byRun(tags.rows), byRun(metrics.rows)];
  return runs.map((run) => ({
    run,
    params: paramsOf(run.id),
    tags: tagsOf(run.id),
    metrics: metricsOf(run.id),
  }));
}
