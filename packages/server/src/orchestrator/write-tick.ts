import pg from 'pg';
import { AS_EXPECTED, UPDATE_COLUMNS, updateAttemptsSql } from '../attempts/attempt-update.ts';
import { approvalInsert, settlementStatement } from '../store/approvals.ts';
import { jsonbText } from '../store/jsonb-text.ts';
import { RowColumns } from '../store/row-columns.ts';
import { inTransaction } from '../store/transaction.ts';
import {
  ATTEMPT_COLUMNS,
  attemptRows,
  EVENT_COLUMNS,
  insertAttemptsSql,
  insertEventsSql,
} from './added-rows.ts';
import {
  CHANGING_COLUMNS,
  expansionInsert,
  type Insert,
  type RunRow,
  runInserts,
  runRow,
} from './new-rows.ts';
import { pauseStatements } from './pause-attempts.ts';
import { expireStatements } from './queue-timeout.ts';
import { resultInserts } from './result-inserts.ts';
import type { TreeChanges } from './tree-changes.ts';

/**
 * Thrown when another server has taken over a tree, or has changed an attempt that was reported on, or the agent of
 * a new one: nothing of the tick was written.
 */
export class OwnershipLost extends Error {
  constructor(rootIds: readonly string[], cause: unknown) {
    super(`Another server has changed one of these run trees: ${rootIds.join(', ')}`, { cause });
    this.name = 'OwnershipLost';
  }
}

export interface TickWrite {
  readonly ownerId: string;
  readonly changes: readonly TreeChanges[];
  /** Facts that were read and taken in; deleted with the changes. */
  readonly inboxIds: readonly number[];
  readonly nowMs: number;
}

/**
 * Writes everything that one tick decided, for all trees, or nothing. Mostly that is one statement (its parts
 * see one snapshot and commit together). Rows of new items precede it in the same transaction, because their
 * attempts refer to them; what has to come after the runs follows it. Each tree is fenced by (owner, epoch).
 * @throws OwnershipLost
 */
export async function writeTick(pool: pg.Pool, tick: TickWrite): Promise<void> {
  try {
    const hasGrown = tick.changes.some((change) => change.expansions.length > 0);
    const after = followUps(tick.changes, tick.nowMs);
    if (!hasGrown && after.length === 0) {
      await pool.query(tickStatement(tick));
      return;
    }
    await inTransaction(pool, 'read committed', async (client) => {
      if (hasGrown) await writeGrowth(client, tick.changes);
      await client.query(tickStatement(tick));
      for (const statement of after) await client.query(statement);
    });
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== DIVISION_BY_ZERO) throw error;
    throw new OwnershipLost(
      tick.changes.map((change) => change.tree.rootId),
      error,
    );
  }
}

/** What follows the rows of the runs in the same transaction, in this order. */
export function followUps(changes: readonly TreeChanges[], nowMs: number): Insert[] {
  const approvals = changes.flatMap((change) => change.approvals);
  const settlements = changes.flatMap((change) => change.settlements);
  return [
    ...resultInserts(changes),
    ...(approvals.length > 0 ? [approvalInsert(approvals)] : []),
    ...(settlements.length > 0 ? [settlementStatement(settlements)] : []),
    ...pauseStatements(changes, nowMs),
    ...expireStatements(changes, nowMs),
    ...(changes.some((change) => change.cancels.length > 0) ? [cancelStatement(changes, nowMs)] : []),
  ];
}

const DIVISION_BY_ZERO = '22012';

const CHANGED_COLUMNS = new RowColumns<RunRow>({ id: ['text', ({ run }) => run.id], ...CHANGING_COLUMNS });

/** Number of the first parameter of each kind of rows; before them come those that are no rows. */
const FIRST = firstParameters(7);

function firstParameters(runs: number) {
  const attempts = runs + CHANGED_COLUMNS.count;
  const events = attempts + ATTEMPT_COLUMNS.count;
  return { runs, attempts, events, updates: events + EVENT_COLUMNS.count };
}

// PostgreSQL expects of the limit that the rows are few, and cannot take the owner for what finds them: so it looks
// each tree up by its key from the first one on. Otherwise it read all trees, until the table was analysed.
// The division fails, and with it the statement, unless every tree is still ours, every attempt as expected, and no
// agent that is given new ones has been drained by way of another server.
const TICK_SQL = `
  with fenced as (
    update trees t
    set status = x.status, counts = x.counts, event_seq = x.event_seq, ended_at = x.ended_at
    from (
      select *, $2 as owner_id from json_to_recordset($1::json)
        as given(root_id text, epoch bigint, status text, counts jsonb, event_seq bigint, ended_at timestamptz)
      limit $4::int
    ) x
    where t.root_id = x.root_id and t.epoch = x.epoch and t.owner_id = x.owner_id
    returning t.root_id
  ), changed_runs as (
    update runs r
    set status = x.status, reason = x.reason, error = x.error, params = x.params, outputs = x.outputs,
        kept_from = x.kept_from, cached_from = x.cached_from, cache_key = x.cache_key, attempt = x.attempt, planner = x.planner, queued_at = x.queued_at, started_at = x.started_at,
        ended_at = x.ended_at
    from ${CHANGED_COLUMNS.from(FIRST.runs)}
    where r.id = x.id
  ), new_attempts as (
    ${insertAttemptsSql(FIRST.attempts)}
  ), new_events as (
    ${insertEventsSql(FIRST.events)}
  ), taken as (
    delete from tree_inbox where id = any($3::bigint[])
  ), reported as (
    ${updateAttemptsSql(FIRST.updates)} and ${AS_EXPECTED}
    returning a.id
  )
  select 1 / (case when (select count(*) from fenced) = $4::int
    and (select count(*) from reported) = $5::int
    and not exists (select from agents where id = any($6::text[]) and draining_since is not null)
    then 1 else 0 end) as fenced`;

function tickStatement({ ownerId, changes, inboxIds, nowMs }: TickWrite): pg.QueryConfig {
  // Sorted: whoever locks several attempts does so in this order.
  const updates = changes.flatMap((change) => change.updates).sort((a, b) => (a.id < b.id ? -1 : 1));
  const agentIds = changes.flatMap(({ leases }) => [...leases.values()].map(({ agentId }) => agentId));
  return {
    name: 'orchestrator-tick',
    text: TICK_SQL,
    values: [
      jsonbText(changes.map(treeRow)),
      ownerId,
      [...inboxIds, ...changes.flatMap((change) => change.takenFacts)],
      changes.length,
      updates.length,
      [...new Set(agentIds)],
      ...CHANGED_COLUMNS.values(changes.flatMap(changedRuns)),
      ...ATTEMPT_COLUMNS.values(attemptRows(changes, nowMs)),
      ...EVENT_COLUMNS.values(changes.flatMap((change) => change.events)),
      ...UPDATE_COLUMNS.values(updates),
    ],
  };
}

function treeRow({ tree }: TreeChanges) {
  const root = tree.runs[0]!;
  return {
    root_id: tree.rootId,
    epoch: tree.epoch,
    status: root.status,
    counts: tree.counts,
    event_seq: tree.eventSeq,
    ended_at: root.endedAt,
  };
}

function changedRuns({ tree, dirtyNodes, firstNew }: TreeChanges): RunRow[] {
  // What is new has been inserted as it is now.
  const known = dirtyNodes.filter((node) => node < firstNew);
  return known.map((node) => runRow(tree, node));
}

async function writeGrowth(client: pg.PoolClient, changes: readonly TreeChanges[]): Promise<void> {
  for (const change of changes) {
    if (change.expansions.length === 0) continue;
    for (const insert of runInserts(change.tree, change.firstNew)) await client.query(insert);
    await client.query(expansionInsert(change));
  }
}

/**
 * Marks attempts to be cancelled. One that no agent has claimed yet ends here and now, and its tree is told
 * so through the inbox; for the others the claim and heartbeat calls carry the command to the agent.
 */
const CANCEL_SQL = `
  with cancelled as (
    update attempts a
    set cancel_requested_at = now(),
        status = case when a.status <> 'queued' then a.status when x.error is null then 'cancelled'
          else 'timed_out' end,
        ended_at = case when a.status = 'queued' then now() else a.ended_at end,
        error = case when a.status = 'queued' then x.error else a.error end,
        -- What has asked for its end first counts.
        stop_error = case when a.cancel_requested_at is null then x.error else a.stop_error end
    from json_to_recordset($1::json) as x(run_id text, number int, error jsonb)
    where a.run_id = x.run_id and a.number = x.number and a.ended_at is null
    returning a.root_id, a.node_index, a.number, a.status, a.error
  )
  insert into tree_inbox (root_id, event)
  select root_id, jsonb_build_object(
    'kind', 'finished', 'node', node_index, 'attempt', number, 'at', $2::bigint, 'outcome', status,
    'exitCode', null, 'signal', null, 'error', error, 'outputs', null, 'datasets', '[]'::jsonb)
  from cancelled where status in ('cancelled', 'timed_out')`;

function cancelStatement(changes: readonly TreeChanges[], nowMs: number): Insert & { name: string } {
  const rows = changes.flatMap(({ tree, cancels }) =>
    cancels.map(({ node, attempt, error }) => ({ run_id: tree.runs[node]!.id, number: attempt, error })),
  );
  return { name: 'orchestrator-cancel', text: CANCEL_SQL, values: [jsonbText(rows), nowMs] };
}
