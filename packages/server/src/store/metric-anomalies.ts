import type { PoolClient } from 'pg';
import type { Database } from './database.ts';
import { jsonbText } from './jsonb-text.ts';

/** What the status file of a job said was wrong at a step. */
export interface Anomaly {
  readonly step: number;
  readonly reason: string | null;
}

/** `metric_anomalies`: one row per run and step. */
export interface MetricAnomaliesTable {
  run_id: string;
  step: number;
  reason: string | null;
}

const MAX_REASON_CHARACTERS = 2000;

/** The anomaly that a status file tells of; `undefined` when there is none, or no step to put it at. */
export function anomalyOf(progress: Readonly<Record<string, unknown>>): Anomaly | undefined {
  const { anomaly_detected: detected, anomaly_reason: reason, current_step: step } = progress;
  if (detected !== true || typeof step !== 'number' || !Number.isSafeInteger(step) || step < 0)
    return undefined;
  return { step, reason: typeof reason === 'string' ? reason.slice(0, MAX_REASON_CHARACTERS) : null };
}

/** The newest reason of a step counts. */
export async function writeAnomalies(
  client: PoolClient,
  anomalies: readonly (Anomaly & { readonly runId: string })[],
): Promise<void> {
  if (anomalies.length === 0) return;
  const byStep = new Map(anomalies.map((anomaly) => [`${anomaly.runId} ${anomaly.step}`, anomaly]));
  await client.query({
    name: 'write-anomalies',
    text: `insert into metric_anomalies (run_id, step, reason)
      select "runId", step, reason from json_to_recordset($1::json) as x("runId" text, step bigint, reason text)
      on conflict (run_id, step) do update set reason = coalesce(excluded.reason, metric_anomalies.reason)`,
    values: [jsonbText([...byStep.values()])],
  });
}

/** The anomalies of a run from `firstStep` to `lastStep`, both included, by step. */
export async function readAnomalies(
  { kysely }: Database,
  runId: string,
  firstStep: number,
  lastStep: number = Number.MAX_SAFE_INTEGER,
): Promise<Map<number, Anomaly>> {
  const rows = await kysely
    .selectFrom('metric_anomalies')
    .select(['step', 'reason'])
    .where('run_id', '=', runId)
    .where('step', '>=', firstStep)
    .where('step', '<=', lastStep)
    .execute();
  return new Map(rows.map((row) => [row.step, row]));
}
