import { type NodeSnapshot, nodeSnapshot } from '@trainyard/dag';
import type { Run } from '@trainyard/protocol';
import { jsonbText } from '../store/jsonb-text.ts';
import { type Columns, RowColumns } from '../store/row-columns.ts';
import type { OwnedTree } from './owned-tree.ts';
import type { TreeChanges } from './tree-changes.ts';

/** A statement with its values, for whichever kind of connection carries it out. */
export interface Insert {
  readonly text: string;
  readonly values: unknown[];
}

/** Rows of one insert statement: the next ones are put together while the database works on these. */
const ROWS_PER_STATEMENT = 2000;

/** Inserts of the runs from number `first` on, as they are now. */
export function* runInserts(tree: OwnedTree, first: number): Generator<Insert> {
  for (let from = first; from < tree.runs.length; from += ROWS_PER_STATEMENT) {
    const rows = tree.runs.slice(from, from + ROWS_PER_STATEMENT).map(({ index }) => runRow(tree, index));
    yield { text: INSERT_RUNS, values: RUN_COLUMNS.values(rows) };
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

/** A run, and what the planner knows of its node. */
export interface RunRow {
  readonly run: Run;
  readonly planner: NodeSnapshot;
}

export function runRow({ runs, state }: OwnedTree, node: number): RunRow {
  return { run: runs[node]!, planner: nodeSnapshot(state, node) };
}

/** What changes of a run while its tree goes on. All else is set once. */
export const CHANGING_COLUMNS: Columns<RunRow> = {
  status: ['text', ({ run }) => run.status],
  reason: ['text', ({ run }) => run.reason],
  error: ['jsonb', ({ run }) => run.error],
  params: ['jsonb', ({ run }) => run.params],
  outputs: ['jsonb', ({ run }) => run.outputs],
  kept_from: ['text', ({ run }) => run.keptFrom],
  cached_from: ['text', ({ run }) => run.cachedFrom],
  cache_key: ['text', ({ run }) => run.cacheKey],
  attempt: ['int4', ({ run }) => run.attempt],
  planner: ['json', ({ planner }) => planner],
  queued_at: ['timestamptz', ({ run }) => run.queuedAt],
  started_at: ['timestamptz', ({ run }) => run.startedAt],
  ended_at: ['timestamptz', ({ run }) => run.endedAt],
};

const RUN_COLUMNS = new RowColumns<RunRow>({
  id: ['text', ({ run }) => run.id],
  root_id: ['text', ({ run }) => run.rootId],
  parent_id: ['text', ({ run }) => run.parentId],
  node_index: ['int4', ({ run }) => run.index],
  item: ['json', ({ run }) => run.item],
  depth: ['int4', ({ run }) => run.depth],
  kind: ['text', ({ run }) => run.kind],
  name: ['text', ({ run }) => run.name],
  path: ['text', ({ run }) => run.path],
  depends_on: ['text', ({ run }) => arrayLiteral(run.dependsOn)],
  created_at: ['timestamptz', ({ run }) => run.createdAt],
  ...CHANGING_COLUMNS,
});

const INSERT_RUNS = `
  insert into runs (id, root_id, parent_id, node_index, item, depth, kind, name, path, depends_on, status, reason,
    error, params, outputs, kept_from, cached_from, cache_key, attempt, planner, created_at, queued_at, started_at, ended_at)
  select id, root_id, parent_id, node_index, item, depth, kind, name, path, depends_on::text[], status, reason,
    error, params, outputs, kept_from, cached_from, cache_key, attempt, planner, created_at, queued_at, started_at, ended_at
  from ${RUN_COLUMNS.from(1)}`;

/** A list of names as PostgreSQL writes one: arrays cannot be elements of an array. */
function arrayLiteral(names: readonly string[]): string {
  return `{${names.map((name) => `"${name.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}

const INSERT_EXPANSIONS = `
  insert into tree_expansions (root_id, sequence, node, count)
  select root_id, sequence, node, count
  from json_to_recordset($1::json) as x(root_id text, sequence int, node int, count int)`;
