import { type Kysely, sql } from 'kysely';
import type { Schema } from '../store/schema.ts';

export interface NewModelMetric {
  readonly modelId: string;
  readonly runId: string;
  readonly key: string;
  readonly value: number;
  readonly step: number;
  readonly timeMs: number;
  readonly datasetName: string;
  readonly datasetDigest: string;
}

/** Notes points with the models that they were measured on. What is there already, and unknown models, are left out. */
export async function logModelMetrics(db: Kysely<Schema>, metrics: readonly NewModelMetric[]): Promise<void> {
  if (metrics.length === 0) return;
  await sql`
    insert into logged_model_metrics (model_id, key, run_id, time_ms, step, value, dataset_name, dataset_digest)
    select x."modelId", x.key, x."runId", x."timeMs", x.step, x.value::float8, x."datasetName", x."datasetDigest"
    from json_to_recordset(${JSON.stringify(metrics.map((metric) => ({ ...metric, value: String(metric.value) })))}::json)
      as x ("modelId" text, key text, "runId" text, "timeMs" bigint, step bigint, value text,
        "datasetName" text, "datasetDigest" text)
    join logged_models l on l.id = x."modelId"
    on conflict do nothing`.execute(db);
}
