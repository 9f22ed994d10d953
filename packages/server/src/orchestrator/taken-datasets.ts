import { jsonbText } from '../store/jsonb-text.ts';
import type { Insert } from './new-rows.ts';
import type { TreeChanges } from './tree-changes.ts';

/** Links the datasets of the runs whose results were taken over; null when there are none. */
export function takenDatasetsInsert(changes: readonly TreeChanges[]): Insert | null {
  const rows = changes.flatMap(({ tree, taken }) =>
    taken.map(({ node, from }) => ({ run_id: tree.runs[node]!.id, root_id: tree.rootId, from })),
  );
  return rows.length === 0 ? null : { text: INSERT_TAKEN_DATASETS, values: [jsonbText(rows)] };
}

const INSERT_TAKEN_DATASETS = `
  insert into run_datasets (run_id, root_id, name, sha256, role)
  select x.run_id, x.root_id, d.name, d.sha256, d.role
  from json_to_recordset($1::json) as x(run_id text, root_id text, "from" text)
  join run_datasets d on d.run_id = x."from"
  on conflict do nothing`;
