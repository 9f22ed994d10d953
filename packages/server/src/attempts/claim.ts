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
import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import { attemptTokenHashSql, newAttemptTokens } from '../auth/secret-token.ts';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Schema } from '../store/schema.ts';

export interface ClaimRequest {
  readonly agentId: AgentId;
  readonly queues: readonly string[];
  readonly requestId: string;
  readonly free: number;
  readonly freeGpus: number;
}

interface ClaimedRow {
  readonly spec: AttemptSpec;
  /** Which token of the call the attempt got, from 1. */
  readonly token_number: number;
}

/** Bounds one answer; an agent with more room asks again at once. */
const MAX_PER_CLAIM = 256;

// Picked attempts each fit the free GPUs alone; the running sum keeps those that fit together. A repeat
// with the same request id gets the same attempts with new tokens: its first answer was lost.
const CLAIM_SQL = `
  with repeated as (
    select id, gpus, priority, created_at from attempts
    where claim_request = $2 and agent_id = $1 and status in ('leased', 'running', 'paused')
  ), picked as (
    select candidate.* from unnest($3::text[]) as wanted(queue)
    cross join lateral (
      select id, gpus, priority, created_at from attempts
      where queue = wanted.queue and status = 'queued' and gpus <= $5
      order by priority desc, created_at, id
      limit $4 for update skip locked
    ) as candidate
    where not exists (select from repeated)
  ), ordered as (
    select id, row_number() over first_come as token_number, sum(gpus) over first_come as gpus_so_far
    from (select * from repeated union all select * from picked) as both_kinds
    window first_come as (order by priority desc, created_at, id)
  ), claimed as (
    update attempts a
    set status = case when a.status = 'queued' then 'leased' else a.status end,
        agent_id = $1, claim_request = $2,
        token_hash = ${attemptTokenHashSql('$6::bytea', 'o.token_number')},
        claimed_at = coalesce(a.claimed_at, now()), lease_until = now() + $7 * interval '1 millisecond'
    from ordered o
    where a.id = o.id and (o.gpus_so_far <= $5 or exists (select from repeated)) and o.token_number <= $4
    returning a.root_id, a.node_index, a.number, a.spec, o.token_number
  ), told as (
    insert into tree_inbox (root_id, event)
    select root_id, jsonb_build_object(
      'kind', 'claimed', 'node', node_index, 'attempt', number, 'at', $8::bigint, 'agent', $1)
    from claimed where not exists (select from repeated) order by token_number
  )
  select spec, token_number::int from claimed order by token_number`;

/** Gives an agent up to `free` attempts, by priority and then by age, in one statement. */
export async function claimAttempts(pool: pg.Pool, request: ClaimRequest): Promise<Assignment[]> {
  const free = Math.min(request.free, MAX_PER_CLAIM);
  const tokens = newAttemptTokens();
  const { rows } = await pool.query<ClaimedRow>({
    name: 'attempts-claim',
    text: CLAIM_SQL,
    values: [
      request.agentId,
      request.requestId,
      request.queues,
      free,
      request.freeGpus,
      tokens.seed,
      AGENT_PROTOCOL.leaseMs,
      Date.now(),
    ],
  });
  return rows.map((row) => ({
    spec: row.spec,
    token: tokens.token(row.token_number),
    leaseMs: AGENT_PROTOCOL.leaseMs,
  }));
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

/** Puts facts into the inboxes of their trees, in this order. */
export async function insertFacts(
  trx: Kysely<Schema>,
  facts: readonly { root_id: string; event: unknown }[],
): Promise<void> {
  if (facts.length === 0) return;
  await sql`
    insert into tree_inbox (root_id, event)
    select x.fact ->> 'root_id', x.fact -> 'event'
    from jsonb_array_elements(${jsonbText(facts)}::jsonb) with ordinality as x(fact, position)
    order by x.position`.execute(trx);
}
