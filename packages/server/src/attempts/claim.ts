import {
  AGENT_PROTOCOL,
  type AgentCommand,
  type AgentId,
  type Assignment,
  type AttemptSpec,
  type AttemptStatus,
  type HeldAttempt,
  isTerminalAttemptStatus,
} from '@trainyard/protocol';
import { type Kysely, sql, type Transaction } from 'kysely';
import { newSecretToken } from '../auth/secret-token.ts';
import type { Schema } from '../store/schema.ts';

export interface ClaimRequest {
  readonly agentId: AgentId;
  readonly queues: readonly string[];
  readonly requestId: string;
  readonly free: number;
  readonly freeGpus: number;
}

interface ClaimableRow {
  id: string;
  root_id: string;
  node_index: number;
  number: number;
  gpus: number;
  spec: AttemptSpec;
}

/**
 * Gives an agent up to `free` attempts, by priority and then by age, in one transaction. A repeat with the
 * same request id gets the same attempts with new tokens: its first answer was lost.
 */
export async function claimAttempts(db: Kysely<Schema>, request: ClaimRequest): Promise<Assignment[]> {
  return db.transaction().execute(async (trx) => {
    const repeated = await attemptsOfRequest(trx, request);
    const rows = repeated.length > 0 ? repeated : fitGpus(await pick(trx, request), request.freeGpus);
    if (rows.length === 0) return [];
    const tokens = rows.map((row) => ({ row, ...newSecretToken('tya') }));
    await lease(trx, request, tokens);
    if (repeated.length === 0) await tellTrees(trx, request, rows);
    return tokens.map(({ row, token }) => ({ spec: row.spec, token, leaseMs: AGENT_PROTOCOL.leaseMs }));
  });
}

/**
 * What an agent has to do about attempts that it holds: nothing for those that are as they should be, nor
 * for those that ended by its own report while the call was on its way.
 */
export async function commandsFor(
  db: Kysely<Schema>,
  agentId: AgentId,
  held: readonly HeldAttempt[],
): Promise<AgentCommand[]> {
  if (held.length === 0) return [];
  const { rows } = await sql<{ id: string; status: AttemptStatus; is_cancel_requested: boolean }>`
    select id, status, cancel_requested_at is not null as is_cancel_requested from attempts
    where id = any(${held.map((attempt) => attempt.attemptId)}::text[]) and agent_id = ${agentId}`.execute(
    db,
  );
  const known = new Map(rows.map((row) => [row.id, row]));
  return held.flatMap(({ attemptId, epoch, cancelling }): AgentCommand[] => {
    const row = known.get(attemptId);
    if (row === undefined || row.status === 'lost') return [{ attemptId, epoch, action: 'discard' }];
    const isActive = !isTerminalAttemptStatus(row.status);
    return isActive && row.is_cancel_requested && !cancelling ? [{ attemptId, epoch, action: 'cancel' }] : [];
  });
}

async function attemptsOfRequest(trx: Transaction<Schema>, request: ClaimRequest): Promise<ClaimableRow[]> {
  const { rows } = await sql<ClaimableRow>`
    select id, root_id, node_index, number, gpus, spec from attempts
    where claim_request = ${request.requestId} and agent_id = ${request.agentId}
      and status in ('leased', 'running', 'paused')
    for update`.execute(trx);
  return rows;
}

async function pick(trx: Transaction<Schema>, request: ClaimRequest): Promise<ClaimableRow[]> {
  const { rows } = await sql<ClaimableRow & { priority: number; created_at: Date }>`
    select candidate.* from unnest(${request.queues}::text[]) as wanted(queue)
    cross join lateral (
      select id, root_id, node_index, number, gpus, spec, priority, created_at from attempts
      where queue = wanted.queue and status = 'queued' and gpus <= ${request.freeGpus}
      order by priority desc, created_at, id
      limit ${request.free} for update skip locked
    ) as candidate
    order by candidate.priority desc, candidate.created_at, candidate.id
    limit ${request.free}`.execute(trx);
  return rows;
}

/** Each picked attempt fits alone; together they must fit too. */
function fitGpus(rows: readonly ClaimableRow[], freeGpus: number): ClaimableRow[] {
  let left = freeGpus;
  return rows.filter((row) => {
    if (row.gpus > left) return false;
    left -= row.gpus;
    return true;
  });
}

async function lease(
  trx: Transaction<Schema>,
  request: ClaimRequest,
  tokens: readonly { row: ClaimableRow; hash: Buffer }[],
): Promise<void> {
  await sql`
    update attempts a
    set status = case when a.status = 'queued' then 'leased' else a.status end,
        agent_id = ${request.agentId}, claim_request = ${request.requestId}, token_hash = x.hash,
        claimed_at = coalesce(a.claimed_at, now()),
        lease_until = now() + ${AGENT_PROTOCOL.leaseMs} * interval '1 millisecond'
    from unnest(${tokens.map(({ row }) => row.id)}::text[], ${tokens.map(({ hash }) => hash)}::bytea[]) as x(id, hash)
    where a.id = x.id`.execute(trx);
}

async function tellTrees(
  trx: Transaction<Schema>,
  request: ClaimRequest,
  rows: readonly ClaimableRow[],
): Promise<void> {
  const facts = rows.map((row) => ({
    root_id: row.root_id,
    event: {
      kind: 'claimed',
      node: row.node_index,
      attempt: row.number,
      at: Date.now(),
      agent: request.agentId,
    },
  }));
  await insertFacts(trx, facts);
}

/** Puts facts into the inboxes of their trees, in this order. */
export async function insertFacts(
  trx: Kysely<Schema>,
  facts: readonly { root_id: string; event: unknown }[],
): Promise<void> {
  if (facts.length === 0) return;
  await sql`
    insert into tree_inbox (root_id, event)
    select x.fact ->> 'root_id', x.fact -> 'event'
    from jsonb_array_elements(${JSON.stringify(facts)}::jsonb) with ordinality as x(fact, position)
    order by x.position`.execute(trx);
}
