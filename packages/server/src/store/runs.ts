import {
  type ApprovalStatus,
  type Run,
  type RunListItem,
  type RunStatus,
  TrainyardError,
} from '@trainyard/protocol';
import { type Selectable, sql } from 'kysely';
import type { Database } from './database.ts';
import type { RunsTable } from './schema.ts';

/** Reads of runs. All writes of runs are the orchestrator's (`orchestrator/write-tick.ts`). */
export interface RunStore {
  find(id: string): Promise<Run | undefined>;
  /** @throws TrainyardError NOT_FOUND */
  get(id: string): Promise<Run>;
  /** Those of the ids that exist, in no order. */
  findAll(ids: readonly string[]): Promise<Run[]>;
  /** By the ids that exist: the run whose log and metrics a run has, itself unless it took over results. */
  producers(ids: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** All runs of a tree in the order of the definition; at most `limit`. */
  tree(rootId: string, limit: number): Promise<Run[]>;
  /** Root runs, newest first, from the one after `cursor` on. */
  list(query: {
    readonly status?: RunStatus | undefined;
    readonly name?: string | undefined;
    readonly pipeline?: string | undefined;
    readonly cursor?: string | undefined;
    readonly limit: number;
  }): Promise<{ items: RunListItem[]; nextCursor: string | null }>;
  listItem(rootId: string): Promise<RunListItem | undefined>;
}

export function createRunStore({ kysely }: Database): RunStore {
  const listItems = () =>
    kysely
      .selectFrom('trees')
      .innerJoin('runs', 'runs.id', 'trees.root_id')
      .select(LIST_COLUMNS)
      .select('trees.counts as counts')
      .select(LOGGED_PARAMS)
      .select(TREE_COLUMNS);
  const runRows = () =>
    kysely
      .selectFrom('runs')
      // A row of `trees` has the id of a root run.
      .leftJoin('trees', 'trees.root_id', 'runs.id')
      .leftJoin('approvals', (join) =>
        join
          .on('runs.kind', '=', 'approval')
          // What a re-run keeps was decided in the run that it is kept from.
          .on(sql<boolean>`approvals.run_id = coalesce(runs.kept_from, runs.id)`),
      )
      .selectAll('runs')
      .select(TREE_COLUMNS)
      .select(DECISION_COLUMNS)
      .select(LOGGED_PARAMS);
  const find = async (id: string): Promise<Run | undefined> => {
    const row = await runRows().where('runs.id', '=', id).executeTakeFirst();
    return row === undefined ? undefined : toRun(row);
  };
  return {
    find,
    async get(id) {
      const run = await find(id);
      if (run === undefined) throw new TrainyardError('NOT_FOUND', `There is no run ${id}.`);
      return run;
    },
    async findAll(ids) {
      if (ids.length === 0) return [];
      const rows = await runRows().where(sql<boolean>`runs.id = any(${ids}::text[])`).execute();
      return rows.map(toRun);
    },
    async producers(ids) {
      const rows = await kysely
        .selectFrom('runs')
        .select(['id', sql<string>`coalesce(kept_from, cached_from, id)`.as('producer')])
        .where(sql<boolean>`id = any(${ids}::text[])`)
        .execute();
      return new Map(rows.map(({ id, producer }) => [id, producer]));
    },
    async tree(rootId, limit) {
      const rows = await runRows()
        .where('runs.root_id', '=', rootId)
        .orderBy('runs.node_index')
        .limit(limit)
        .execute();
      return rows.map(toRun);
    },
    async list(query) {
      let select = listItems()
        .orderBy('trees.root_id', 'desc')
        .limit(query.limit + 1);
      if (query.status !== undefined) select = select.where('trees.status', '=', query.status);
      if (query.name !== undefined) select = select.where('trees.name', '=', query.name);
      if (query.pipeline !== undefined) select = select.where('trees.pipeline_name', '=', query.pipeline);
      if (query.cursor !== undefined) select = select.where('trees.root_id', '<', query.cursor);
      const rows = await select.execute();
      const items = rows.slice(0, query.limit).map(toListItem);
      return { items, nextCursor: rows.length > query.limit ? items[items.length - 1]!.id : null };
    },
    async listItem(rootId) {
      const row = await listItems().where('trees.root_id', '=', rootId).executeTakeFirst();
      return row === undefined ? undefined : toListItem(row);
    },
  };
}

const TREE_COLUMNS = ['trees.pipeline_name', 'trees.pipeline_version', 'trees.rerun_of'] as const;

const DECISION_COLUMNS = [
  'approvals.status as approval_status',
  'approvals.decided_by',
  'approvals.decided_at',
  'approvals.comment',
] as const;

interface OfApproval {
  readonly approval_status?: ApprovalStatus | null;
  readonly decided_by?: string | null;
  readonly decided_at?: Date | null;
  readonly comment?: string | null;
}

/** Params of a run from outside, which come one by one. */
const LOGGED_PARAMS = sql<Record<string, string> | null>`case when runs.kind = 'external' then
  (select json_object_agg(p.key, p.value order by p.key) from run_params p where p.run_id = runs.id) end`.as(
  'logged_params',
);

interface OfTree {
  readonly logged_params?: Readonly<Record<string, string>> | null;
  readonly pipeline_name?: string | null;
  readonly pipeline_version?: number | null;
  readonly rerun_of?: string | null;
}

export function toRun(row: Selectable<RunsTable> & OfTree & OfApproval): Run {
  return { ...toSummary(row), ...decisionOf(row), outputs: row.outputs ?? null };
}

function decisionOf(row: OfApproval): Pick<Run, 'decision'> {
  const { approval_status: decision, decided_by: by = null, decided_at: at, comment = null } = row;
  if (at == null || (decision !== 'approved' && decision !== 'rejected')) return {};
  return { decision: { decision, by, at: at.toISOString(), comment } };
}

/** What a list shows of a run: everything but its outputs, which are not even read for it. */
const LIST_COLUMNS = [
  'runs.id',
  'runs.root_id',
  'runs.parent_id',
  'runs.kind',
  'runs.name',
  'runs.path',
  'runs.depth',
  'runs.node_index',
  'runs.item',
  'runs.status',
  'runs.reason',
  'runs.error',
  'runs.params',
  'runs.depends_on',
  'runs.attempt',
  'runs.kept_from',
  'runs.cached_from',
  'runs.cache_key',
  'runs.created_at',
  'runs.queued_at',
  'runs.started_at',
  'runs.ended_at',
] as const;

type SummaryRow = Omit<Selectable<RunsTable>, 'outputs' | 'planner'> & OfTree;

function toListItem(row: SummaryRow & { counts: RunListItem['stages'] }): RunListItem {
  return { ...toSummary(row), stages: row.counts };
}

function toSummary(row: SummaryRow): Omit<Run, 'outputs'> {
  return {
    id: row.id,
    rootId: row.root_id,
    parentId: row.parent_id,
    kind: row.kind,
    name: row.name,
    path: row.path,
    depth: row.depth,
    index: row.node_index,
    item: row.item,
    status: row.status,
    reason: row.reason,
    error: row.error,
    params: row.logged_params ?? row.params,
    dependsOn: row.depends_on,
    attempt: row.attempt,
    ...(row.kept_from === null ? {} : { keptFrom: row.kept_from }),
    ...(row.cached_from === null ? {} : { cachedFrom: row.cached_from }),
    ...(row.cache_key === null ? {} : { cacheKey: row.cache_key }),
    ...(row.rerun_of == null ? {} : { rerunOf: row.rerun_of }),
    ...(row.pipeline_name == null || row.pipeline_version == null
      ? {}
      : { pipeline: { name: row.pipeline_name, version: row.pipeline_version } }),
    createdAt: row.created_at.toISOString(),
    queuedAt: row.queued_at?.toISOString() ?? null,
    startedAt: row.started_at?.toISOString() ?? null,
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}

/** True while the database answers; used by /readyz. */
export async function databaseAnswers({ kysely }: Database): Promise<boolean> {
  try {
    await sql`select 1`.execute(kysely);
    return true;
  } catch {
    return false;
  }
}
