import { nodeSnapshot } from '@trainyard/dag';
import { AGENT_PROTOCOL, newId } from '@trainyard/protocol';
import pg from 'pg';
import { AS_EXPECTED, UPDATE_ATTEMPTS } from '../attempts/attempt-update.ts';
import { replacingGroup } from '../limits/attempt-limit.ts';
import { approvalInsert, settlementStatement } from '../store/approvals.ts';
import { jsonbText } from '../store/jsonb-text.ts';
import { inTransaction } from '../store/transaction.ts';
import { expansionInsert, type Insert, runInserts } from './new-rows.ts';
import { pauseStatements } from './pause-attempts.ts';
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
  /** Facts that the changes took in; deleted with them. */
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
    ...(changes.some((change) => change.cancels.length > 0) ? [cancelStatement(changes, nowMs)] : []),
  ];
}

const DIVISION_BY_ZERO = '22012';

/** The rows of new attempts, as every statement that inserts some takes them. */
export const ATTEMPT_ROWS = `json_to_recordset($ATTEMPTS::json)
  as x(id text, run_id text, root_id text, number int, node_index int, queue text, priority int, gpus int,
       labels jsonb, limits jsonb, replacing_group text, training_job_id text, spec jsonb, created_at timestamptz,
       agent_id text, claim_request text, token_hash text)`;

/** The rows of events, likewise. */
export const EVENT_ROWS = `json_to_recordset($EVENTS::json)
  as x("rootId" text, seq bigint, "runId" text, type text, at timestamptz, data jsonb)`;

/** Agents on which earlier attempts of a run failed in a way that the next one is to keep away from. */
const FAILED_ELSEWHERE = `select array_agg(distinct p.agent_id) as agents from attempts p
    where x.number > 1 and p.run_id = x.run_id and (p.failure ->> 'excludeAgent')::boolean`;

/** The newest checkpoint with which an earlier attempt of the run gave its slot back. */
const RELEASED_BEFORE = `select p.released_from as point, p.agent_id as agent from attempts p
    where x.number > 1 and p.run_id = x.run_id and p.released_from is not null
    order by p.number desc limit 1`;

/** The newest change of the run's params: the next attempt is told of it, too. */
const CHANGED_BEFORE = `select max(p.params_revision) as revision from attempts p
    where x.number > 1 and p.run_id = x.run_id`;

export const INSERT_ATTEMPTS = `insert into attempts
    (id, run_id, root_id, number, epoch, node_index, status, queue, priority, gpus, labels, limits, replacing_group,
     training_job_id, spec, created_at, excluded_agents, preferred_agent, agent_id, claim_request, token_hash,
     claimed_at, lease_until, params_revision)
  select id, run_id, root_id, number, number, node_index,
    case when agent_id is null then 'queued' else 'leased' end, queue, priority, gpus, labels, limits,
    replacing_group, training_job_id,
    case when released.point is null then spec
      else spec || jsonb_build_object('resumeFrom', released.point) end,
    created_at, failed.agents, released.agent, agent_id, claim_request, decode(token_hash, 'hex'),
    case when agent_id is not null then now() end,
    case when agent_id is not null then now() + ${AGENT_PROTOCOL.leaseMs} * interval '1 millisecond' end,
    coalesce(changed.revision, 0)
  from ${ATTEMPT_ROWS}
  left join lateral (${FAILED_ELSEWHERE}) as failed on true
  left join lateral (${RELEASED_BEFORE}) as released on true
  left join lateral (${CHANGED_BEFORE}) as changed on true`;

export const INSERT_EVENTS = `insert into events (root_id, seq, run_id, type, at, data)
  select "rootId", seq, "runId", type, at, data from ${EVENT_ROWS}`;

// The division fails, and with it the statement, unless every tree is still ours, every attempt as expected, and no
// agent that is given new ones has been drained by way of another server.
const TICK_SQL = `
  with fenced as (
    update trees t
    set status = x.status, counts = x.counts, event_seq = x.event_seq, ended_at = x.ended_at
    from json_to_recordset($1::json)
      as x(root_id text, epoch bigint, status text, counts jsonb, event_seq bigint, ended_at timestamptz)
    where t.root_id = x.root_id and t.epoch = x.epoch and t.owner_id = $2
    returning t.root_id
  ), changed_runs as (
    update runs r
    set status = x.status, reason = x.reason, error = x.error, params = x.params, outputs = x.outputs,
        kept_from = x.kept_from, cached_from = x.cached_from, cache_key = x.cache_key, attempt = x.attempt, planner = x.planner, queued_at = x.queued_at, started_at = x.started_at,
        ended_at = x.ended_at
    from json_to_recordset($3::json)
      as x(id text, status text, reason text, error jsonb, params jsonb, outputs jsonb, kept_from text, cached_from text, cache_key text,
           attempt int,
           planner jsonb, queued_at timestamptz, started_at timestamptz, ended_at timestamptz)
    where r.id = x.id
  ), new_attempts as (
    ${INSERT_ATTEMPTS.replace('$ATTEMPTS', '$4')}
  ), new_events as (
    ${INSERT_EVENTS.replace('$EVENTS', '$5')}
  ), taken as (
    delete from tree_inbox where id = any($6::bigint[])
  ), reported as (
    ${UPDATE_ATTEMPTS.replace('$UPDATES', '$8')} and ${AS_EXPECTED}
    returning a.id
  )
  select 1 / (case when (select count(*) from fenced) = $7::int
    and (select count(*) from reported) = $9::int
    and not exists (select from agents where id = any($10::text[]) and draining_since is not null)
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
      jsonbText(changes.flatMap(runRows)),
      jsonbText(attemptRows(changes, nowMs)),
      jsonbText(changes.flatMap((change) => change.events)),
      inboxIds,
      changes.length,
      jsonbText(updates),
      updates.length,
      [...new Set(agentIds)],
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

function runRows(change: TreeChanges) {
  const { tree } = change;
  // What is new has been inserted as it is now.
  const known = change.dirtyNodes.filter((node) => node < change.firstNew);
  return known.map((node) => {
    const run = tree.runs[node]!;
    return {
      id: run.id,
      status: run.status,
      reason: run.reason,
      error: run.error,
      params: run.params,
      outputs: run.outputs,
      kept_from: run.keptFrom ?? null,
      cached_from: run.cachedFrom ?? null,
      cache_key: run.cacheKey ?? null,
      attempt: run.attempt,
      planner: nodeSnapshot(tree.state, node),
      queued_at: run.queuedAt,
      started_at: run.startedAt,
      ended_at: run.endedAt,
    };
  });
}

async function writeGrowth(client: pg.PoolClient, changes: readonly TreeChanges[]): Promise<void> {
  for (const change of changes) {
    if (change.expansions.length === 0) continue;
    for (const insert of runInserts(change.tree, change.firstNew)) await client.query(insert);
    await client.query(expansionInsert(change));
  }
}

export function attemptRows(changes: readonly TreeChanges[], nowMs: number) {
  const createdAt = new Date(nowMs).toISOString();
  return changes.flatMap(({ tree, attempts, leases }) =>
    attempts.map((attempt) => {
      const lease = leases.get(attempt);
      const id = lease?.attemptId ?? newId('att', nowMs);
      return {
        id,
        run_id: tree.runs[attempt.node]!.id,
        root_id: tree.rootId,
        number: attempt.number,
        node_index: attempt.node,
        queue: attempt.queue,
        priority: attempt.priority,
        gpus: attempt.gpus,
        labels: attempt.labels,
        limits: attempt.limits,
        replacing_group: replacingGroup(attempt.limits),
        training_job_id: attempt.spec.training?.jobId ?? null,
        spec: { ...attempt.spec, attemptId: id },
        created_at: createdAt,
        agent_id: lease?.agentId,
        claim_request: lease?.requestId,
        token_hash: lease?.tokenHash.toString('hex'),
      };
    }),
  );
}

/**
 * Marks attempts to be cancelled. One that no agent has claimed yet ends here and now, and its tree is told
 * so through the inbox; for the others the claim and heartbeat calls carry the command to the agent.
 */
const CANCEL_SQL = `
  with cancelled as (
    update attempts a
    set cancel_requested_at = now(),
        status = case when a.status = 'queued' then 'cancelled' else a.status end,
        ended_at = case when a.status = 'queued' then now() else a.ended_at end
    from json_to_recordset($1::json) as x(run_id text, number int)
    where a.run_id = x.run_id and a.number = x.number and a.ended_at is null
    returning a.root_id, a.node_index, a.number, a.status
  )
  insert into tree_inbox (root_id, event)
  select root_id, jsonb_build_object(
    'kind', 'finished', 'node', node_index, 'attempt', number, 'at', $2::bigint, 'outcome', 'cancelled',
    'exitCode', null, 'signal', null, 'error', null, 'outputs', null, 'datasets', '[]'::jsonb)
  from cancelled where status = 'cancelled'`;

function cancelStatement(changes: readonly TreeChanges[], nowMs: number): Insert & { name: string } {
  const rows = changes.flatMap(({ tree, cancels }) =>
    cancels.map((cancel) => ({ run_id: tree.runs[cancel.node]!.id, number: cancel.attempt })),
  );
  return { name: 'orchestrator-cancel', text: CANCEL_SQL, values: [jsonbText(rows), nowMs] };
}
