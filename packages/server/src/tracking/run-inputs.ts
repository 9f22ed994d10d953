import { type Kysely, sql, type Transaction } from 'kysely';
import type { Pool } from 'pg';
import type { Schema } from '../store/schema.ts';
import type { Tag } from './experiments.ts';
import { lockTrackedRun } from './lock-tracked-run.ts';

/** A dataset as the program that reads it describes it; name and digest are its identity within an experiment. */
export interface TrackedDataset {
  readonly name: string;
  readonly digest: string;
  readonly sourceType: string;
  readonly source: string;
  readonly schema: string | null;
  readonly profile: string | null;
}

export interface DatasetInput {
  readonly dataset: TrackedDataset;
  readonly tags: readonly Tag[];
}

export interface ModelUse {
  readonly role: 'input' | 'output';
  readonly modelId: string;
  readonly step: number;
}

/** What runs have read and made, by run. */
export interface RunUses {
  readonly datasets: readonly DatasetInput[];
  readonly models: readonly ModelUse[];
}

/**
 * Notes what a run has read or made; what is noted already stays as it is.
 * @throws TrainyardError NOT_FOUND, CONFLICT while the run is deleted
 */
export async function noteUses(db: Kysely<Schema>, runId: string, uses: RunUses): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { experimentId } = await lockTrackedRun(trx, runId);
    await noteDatasets(trx, runId, experimentId, uses.datasets);
    if (uses.models.length === 0) return;
    await trx
      .insertInto('run_models')
      .values(
        uses.models.map(({ role, modelId, step }) => ({ run_id: runId, role, model_id: modelId, step })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  });
}

async function noteDatasets(
  trx: Transaction<Schema>,
  runId: string,
  experimentId: number,
  inputs: readonly DatasetInput[],
): Promise<void> {
  // In one order, so that two runs that note the same datasets do not wait for each other in a circle.
  const sorted = [...inputs].sort((a, b) => (identity(a) < identity(b) ? -1 : 1));
  for (const { dataset, tags } of sorted) {
    const { name, digest, sourceType, source, schema, profile } = dataset;
    await sql`insert into tracked_datasets (experiment_id, name, digest, source_type, source, schema, profile)
      values (${experimentId}, ${name}, ${digest}, ${sourceType}, ${source}, ${schema}, ${profile})
      on conflict (experiment_id, name, digest) do nothing`.execute(trx);
    await sql`insert into run_inputs (run_id, dataset_id, tags)
      select ${runId}, id, ${JSON.stringify(tags)}::jsonb from tracked_datasets
      where experiment_id = ${experimentId} and name = ${name} and digest = ${digest}
      on conflict do nothing`.execute(trx);
  }
}

function identity({ dataset: { name, digest } }: DatasetInput): string {
  return JSON.stringify([name, digest]);
}

const NONE: RunUses = { datasets: [], models: [] };

/** By run; those without any have empty lists. */
export async function readUses(pool: Pool, runIds: readonly string[]): Promise<(runId: string) => RunUses> {
  const [datasets, models] = await Promise.all([
    pool.query<TrackedDataset & { runId: string; tags: Tag[] }>({
      name: 'tracking-read-inputs',
      text: `select i.run_id as "runId", i.tags, d.name, d.digest, d.source_type as "sourceType", d.source,
          d.schema, d.profile
        from run_inputs i join tracked_datasets d on d.id = i.dataset_id
        where i.run_id = any($1::text[]) order by i.run_id, d.id`,
      values: [runIds],
    }),
    pool.query<ModelUse & { runId: string }>({
      name: 'tracking-read-models',
      text: `select run_id as "runId", role, model_id as "modelId", step from run_models
        where run_id = any($1::text[]) order by run_id, model_id`,
      values: [runIds],
    }),
  ]);
  if (datasets.rows.length === 0 && models.rows.length === 0) return () => NONE;
  const datasetsOf = Map.groupBy(datasets.rows, ({ runId }) => runId);
  const modelsOf = Map.groupBy(models.rows, ({ runId }) => runId);
  return (runId) => ({
    datasets: (datasetsOf.get(runId) ?? []).map(({ tags, runId: _, ...dataset }) => ({ dataset, tags })),
    models: modelsOf.get(runId) ?? [],
  });
}

/** Datasets that runs of some experiments have read, with what for. */
export interface DatasetSummary {
  readonly experimentId: number;
  readonly name: string;
  readonly digest: string;
  readonly context: string | null;
}

const MAX_SUMMARIES = 1000;

export async function summariseDatasets(
  pool: Pool,
  experimentIds: readonly number[],
): Promise<DatasetSummary[]> {
  const { rows } = await pool.query<DatasetSummary>({
    name: 'tracking-summarise-datasets',
    text: `select distinct d.experiment_id as "experimentId", d.name, d.digest, c.value as context
      from tracked_datasets d
      join run_inputs i on i.dataset_id = d.id
      join tracked_runs t on t.run_id = i.run_id and t.deleted_at is null
      left join lateral jsonb_to_recordset(i.tags) as c(key text, value text) on c.key = 'mlflow.data.context'
      where d.experiment_id = any($1::int8[])
      order by d.experiment_id, d.name, d.digest, context limit ${MAX_SUMMARIES}`,
    values: [experimentIds],
  });
  return rows;
}
