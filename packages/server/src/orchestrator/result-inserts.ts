import { INSERT_CACHE_ENTRIES } from '../cache/stage-cache.ts';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Insert } from './new-rows.ts';
import type { TreeChanges } from './tree-changes.ts';

/**
 * What is written when stages take the results of other runs, or offer theirs; mostly nothing. The rows of the
 * runs have to be there.
 */
export function resultInserts(changes: readonly TreeChanges[]): Insert[] {
  const taken = changes.flatMap((change) =>
    change.taken.map(({ node, from }) => ({
      run_id: change.tree.runs[node]!.id,
      root_id: change.tree.rootId,
      from,
    })),
  );
  const entries = changes.flatMap(({ cacheEntries }) => cacheEntries);
  const inserts: Insert[] = [];
  if (taken.length > 0) inserts.push({ text: INSERT_TAKEN_DATASETS, values: [jsonbText(taken)] });
  if (entries.length > 0) inserts.push({ text: INSERT_CACHE_ENTRIES, values: [jsonbText(entries)] });
  return inserts;
}

/** The datasets of the runs whose results were taken belong to the new ones, too. */
const INSERT_TAKEN_DATASETS = `
  insert into run_datasets (run_id, root_id, name, sha256, role, split)
  select x.run_id, x.root_id, d.name, d.sha256, d.role, d.split
  from json_to_recordset($1::json) as x(run_id text, root_id text, "from" text)
  join run_datasets d on d.run_id = x."from"
  on conflict do nothing`;
