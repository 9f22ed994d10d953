import { nodeSnapshot } from '@trainyard/dag';
import { jsonbText } from '../store/jsonb-text.ts';
import type { OwnedTree } from './owned-tree.ts';
import type { TreeChanges } from './tree-changes.ts';

/** A statement with its values, for whichever kind of connection carries it out. */
export interface Insert {
  readonly text: string;
  readonly values: unknown[];
}

/** Rows of one insert statement: keeps a statement's JSON parameter at a few megabytes. */
const ROWS_PER_STATEMENT = 5000;

/** Inserts of the runs from number `first` on, as they are now. */
export function* runInserts(tree: OwnedTree, first: number): Generator<Insert> {
  for (let from = first; from < tree.runs.length; from += ROWS_PER_STATEMENT) {
    const rows = tree.runs.slice(from, from + ROWS_PER_STATEMENT).map((run) => ({
      ...run,
      planner: nodeSnapshot(tree.state, run.index),
    }));
    yield { text: INSERT_RUNS, values: [jsonbText(rows)] };
  }
}

/** What a restart needs to give the nodes of items the same numbers again. */
export function expansionInsert({ tree, expansions }: TreeChanges): Insert {
  const rows = expansions.map(({ sequence, node, count }) => ({
    root_id: tree.rootId,
    sequence,
    node,
    count,
  }));
  return { text: INSERT_EXPANSIONS, values: [jsonbText(rows)] };
}

const INSERT_RUNS = `
  insert into runs (id, root_id, parent_id, node_index, item, depth, kind, name, path, depends_on, status, reason,
    error, params, outputs, kept_from, cached_from, cache_key, attempt, planner, created_at, queued_at, started_at, ended_at)
  select id, "rootId", "parentId", index, item, depth, kind, name, path,
    array(select json_array_elements_text("dependsOn")), status, reason, error, params, outputs, "keptFrom", "cachedFrom", "cacheKey",
    attempt, planner, "createdAt", "queuedAt", "startedAt", "endedAt"
  from json_to_recordset($1::json)
    as x(id text, "rootId" text, "parentId" text, index int, item json, depth int, kind text, name text,
         path text, "dependsOn" json, status text, reason text, error jsonb, params jsonb, outputs jsonb,
         "keptFrom" text, "cachedFrom" text, "cacheKey" text, attempt int,
         planner jsonb, "createdAt" timestamptz, "queuedAt" timestamptz, "startedAt" timestamptz,
         "endedAt" timestamptz)`;

const INSERT_EXPANSIONS = `
  insert into tree_expansions (root_id, sequence, node, count)
  select root_id, sequence, node, count
  from json_to_recordset($1::json) as x(root_id text, sequence int, node int, count int)`;
