import type { ReportedDataset } from '@trainyard/protocol';
import type { PoolClient } from 'pg';
import { jsonbText } from '../store/jsonb-text.ts';

/** Datasets that an attempt recorded. */
interface RecordedDatasets {
  readonly attemptId: string;
  readonly runId: string;
  readonly rootId: string;
  readonly datasets: readonly ReportedDataset[];
}

/** Makes the versions that are new, and joins them to the runs. */
export async function writeDatasets(
  client: PoolClient,
  recorded: readonly RecordedDatasets[],
): Promise<void> {
  const rows = recorded.flatMap(({ attemptId, runId, rootId, datasets }) =>
    datasets.map((dataset) => ({ ...dataset, run_id: runId, root_id: rootId, attempt_id: attemptId })),
  );
  if (rows.length === 0) return;
  const json = [jsonbText(rows)];
  await client.query(
    `insert into dataset_versions
       (name, sha256, size_bytes, rows, path, format, columns, created_run_id, created_attempt_id)
     select distinct on (name, sha256) name, sha256, "sizeBytes", rows, path, format, columns,
       case when role = 'output' then run_id end, case when role = 'output' then attempt_id end
     from json_to_recordset($1::json) as x(name text, sha256 text, "sizeBytes" bigint, rows bigint, path text,
       format text, columns jsonb, role text, run_id text, attempt_id text)
     order by name, sha256, role desc
     on conflict (name, sha256) do update set
       rows = coalesce(dataset_versions.rows, excluded.rows),
       format = coalesce(dataset_versions.format, excluded.format),
       columns = coalesce(dataset_versions.columns, excluded.columns),
       created_run_id = coalesce(dataset_versions.created_run_id, excluded.created_run_id),
       created_attempt_id = coalesce(dataset_versions.created_attempt_id, excluded.created_attempt_id)`,
    json,
  );
  await client.query(
    `insert into run_datasets (run_id, root_id, name, sha256, role, split)
     select distinct on (run_id, name, sha256, role) run_id, root_id, name, sha256, role, split
     from json_to_recordset($1::json)
       as x(run_id text, root_id text, name text, sha256 text, role text, split jsonb)
     order by run_id, name, sha256, role
     on conflict do nothing`,
    json,
  );
}
