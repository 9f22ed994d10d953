import { nodeSnapshot } from '@trainyard/dag';
import { newId } from '@trainyard/protocol';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Schema } from '../store/schema.ts';
import type { TreeChanges } from './tree-changes.ts';

/** Thrown when trees were taken over by another server: nothing of the tick was written. */
export class OwnershipLost extends Error {
  readonly rootIds: readonly string[];

  constructor(rootIds: readonly string[]) {
    super(`Ownership of ${rootIds.join(', ')} was lost`);
    this.name = 'OwnershipLost';
    this.rootIds = rootIds;
  }
}

export interface TickWrite {
  readonly ownerId: string;
  readonly changes: readonly TreeChanges[];
  /** Facts that the changes took in; deleted in the same transaction. */
  readonly inboxIds: readonly number[];
  readonly nowMs: number;
}

/**
 * Writes everything that one tick decided, for all trees, in one transaction. Each tree is fenced by
 * (owner, epoch): if another server owns one of them now, nothing is written.
 * @throws OwnershipLost
 */
export async function writeTick(db: Kysely<Schema>, tick: TickWrite): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await fenceTrees(trx, tick);
    await updateRuns(trx, tick.changes);
    await insertAttempts(trx, tick);
    await requestCancels(trx, tick);
    await insertEvents(trx, tick.changes);
    if (tick.inboxIds.length > 0) {
      await sql`delete from tree_inbox where id = any(${tick.inboxIds}::bigint[])`.execute(trx);
    }
  });
}

async function fenceTrees(trx: Transaction<Schema>, { ownerId, changes }: TickWrite): Promise<void> {
  if (changes.length === 0) return;
  const rows = changes.map(({ tree }) => {
    const root = tree.runs[0]!;
    return {
      root_id: tree.rootId,
      epoch: tree.epoch,
      status: root.status,
      counts: tree.counts,
      event_seq: tree.eventSeq,
      ended_at: root.endedAt,
    };
  });
  const { rows: fenced } = await sql<{ root_id: string }>`
    update trees t
    set status = x.status, counts = x.counts, event_seq = x.event_seq, ended_at = x.ended_at
    from json_to_recordset(${JSON.stringify(rows)}::json)
      as x(root_id text, epoch bigint, status text, counts jsonb, event_seq bigint, ended_at timestamptz)
    where t.root_id = x.root_id and t.epoch = x.epoch and t.owner_id = ${ownerId}
    returning t.root_id`.execute(trx);
  if (fenced.length === rows.length) return;
  const kept = new Set(fenced.map((row) => row.root_id));
  throw new OwnershipLost(rows.map((row) => row.root_id).filter((id) => !kept.has(id)));
}

async function updateRuns(trx: Transaction<Schema>, changes: readonly TreeChanges[]): Promise<void> {
  const rows = changes.flatMap((change) =>
    change.dirtyNodes.map((node) => {
      const run = change.tree.runs[node]!;
      return {
        id: run.id,
        status: run.status,
        reason: run.reason,
        error: run.error,
        params: run.params,
        outputs: run.outputs,
        attempt: run.attempt,
        planner: nodeSnapshot(change.tree.state, node),
        queued_at: run.queuedAt,
        started_at: run.startedAt,
        ended_at: run.endedAt,
      };
    }),
  );
  if (rows.length === 0) return;
  await sql`
    update runs r
    set status = x.status, reason = x.reason, error = x.error, params = x.params, outputs = x.outputs,
        attempt = x.attempt, planner = x.planner, queued_at = x.queued_at, started_at = x.started_at,
        ended_at = x.ended_at
    from json_to_recordset(${JSON.stringify(rows)}::json)
      as x(id text, status text, reason text, error jsonb, params jsonb, outputs jsonb, attempt int,
           planner jsonb, queued_at timestamptz, started_at timestamptz, ended_at timestamptz)
    where r.id = x.id`.execute(trx);
}

export async function insertAttempts(
  trx: Transaction<Schema>,
  { changes, nowMs }: Pick<TickWrite, 'changes' | 'nowMs'>,
): Promise<void> {
  const createdAt = new Date(nowMs).toISOString();
  const rows = changes.flatMap(({ tree, attempts }) =>
    attempts.map((attempt) => {
      const id = newId('att', nowMs);
      return {
        id,
        run_id: tree.runs[attempt.node]!.id,
        root_id: tree.rootId,
        number: attempt.number,
        node_index: attempt.node,
        queue: attempt.queue,
        priority: attempt.priority,
        gpus: attempt.gpus,
        spec: { ...attempt.spec, attemptId: id },
        created_at: createdAt,
      };
    }),
  );
  if (rows.length === 0) return;
  await sql`
    insert into attempts
      (id, run_id, root_id, number, epoch, node_index, status, queue, priority, gpus, spec, created_at)
    select id, run_id, root_id, number, number, node_index, 'queued', queue, priority, gpus, spec, created_at
    from json_to_recordset(${JSON.stringify(rows)}::json)
      as x(id text, run_id text, root_id text, number int, node_index int, queue text, priority int, gpus int,
           spec jsonb, created_at timestamptz)`.execute(trx);
}

/**
 * Marks attempts to be cancelled. One that no agent has claimed yet ends here and now, and its tree is told
 * so through the inbox; for the others the claim and heartbeat calls carry the command to the agent.
 */
async function requestCancels(trx: Transaction<Schema>, { changes, nowMs }: TickWrite): Promise<void> {
  const rows = changes.flatMap(({ tree, cancels }) =>
    cancels.map((cancel) => ({ run_id: tree.runs[cancel.node]!.id, number: cancel.attempt })),
  );
  if (rows.length === 0) return;
  await sql`
    with cancelled as (
      update attempts a
      set cancel_requested_at = now(),
          status = case when a.status = 'queued' then 'cancelled' else a.status end,
          ended_at = case when a.status = 'queued' then now() else a.ended_at end
      from json_to_recordset(${JSON.stringify(rows)}::json) as x(run_id text, number int)
      where a.run_id = x.run_id and a.number = x.number and a.ended_at is null
      returning a.root_id, a.node_index, a.number, a.status
    )
    insert into tree_inbox (root_id, event)
    select root_id, jsonb_build_object(
      'kind', 'finished', 'node', node_index, 'attempt', number, 'at', ${nowMs}::bigint, 'outcome', 'cancelled',
      'exitCode', null, 'signal', null, 'error', null, 'outputs', null, 'datasets', '[]'::jsonb)
    from cancelled where status = 'cancelled'`.execute(trx);
}

export async function insertEvents(trx: Transaction<Schema>, changes: readonly TreeChanges[]): Promise<void> {
  const rows = changes.flatMap((change) => change.events);
  if (rows.length === 0) return;
  await sql`
    insert into events (root_id, seq, run_id, type, at, data)
    select "rootId", seq, "runId", type, at, data
    from json_to_recordset(${JSON.stringify(rows)}::json)
      as x("rootId" text, seq bigint, "runId" text, type text, at timestamptz, data jsonb)`.execute(trx);
}
