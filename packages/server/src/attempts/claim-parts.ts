import {
  AGENT_PROTOCOL,
  type AgentId,
  type Assignment,
  type AttemptSpec,
  type AttemptStatus,
} from '@trainyard/protocol';
import { attemptTokenHashSql } from '../auth/secret-token.ts';

/** What the statements that claim attempts have in common. */

export interface ClaimRequest {
  readonly agentId: AgentId;
  readonly queues: readonly string[];
  readonly requestId: string;
  readonly free: number;
  readonly freeGpus: number;
}

/**
 * An agent has one call at a time for each set of queues that has slots of its own: calls with the same lane
 * follow each other.
 */
export function laneOf({ agentId, queues }: Pick<ClaimRequest, 'agentId' | 'queues'>): string {
  return [agentId, ...queues].join(' ');
}

export interface ClaimedRow {
  readonly spec: AttemptSpec;
  readonly node_index: number;
  readonly status: AttemptStatus;
  readonly is_limited: boolean;
  /** Which token of the call the attempt got, from 1. */
  readonly token_number: number;
  /** In the first row: the facts that tell the trees, in the order of the rows; null for a repeat. */
  readonly fact_ids: readonly string[] | null;
}

/** Columns that an agent's claim sets on row `a`; `$1` is the agent, `$2` its request. */
export function leaseSql(token: { readonly seed: string; readonly number: string }): string {
  return `status = case when a.status = 'queued' then 'leased' else a.status end,
        agent_id = $1, claim_request = $2,
        token_hash = ${attemptTokenHashSql(token.seed, token.number)},
        claimed_at = coalesce(a.claimed_at, now()),
        lease_until = now() + ${AGENT_PROTOCOL.leaseMs} * interval '1 millisecond'`;
}

/** An agent that was seen within this time may still take work. */
const PRESENT = `last_seen_at > now() - interval '1 minute' and draining_since is null`;

/**
 * Whether the agent may have a queued attempt `a` now: it is not paused, wants no label that the agent has not,
 * does not keep away from this agent
 * while another one could take it, and its checkpoint does not lie on the machine of another one that is there.
 */
export function mayHaveSql(agent: string): string {
  return `a.pause_mode is null
      and not exists (select from agents me where me.id = ${agent}::text and me.draining_since is not null)
      and (a.labels is null or a.labels <@ (select labels from agents where id = ${agent}::text))
      and (a.excluded_agents is null or not ${agent}::text = any(a.excluded_agents) or not exists (
        select from agents g where not g.id = any(a.excluded_agents) and a.queue = any(g.queues)
          and g.gpus >= a.gpus and ${PRESENT}))
      and (a.preferred_agent is null or a.preferred_agent = ${agent}::text or not exists (
        select from agents g where g.id = a.preferred_agent and ${PRESENT}))`;
}

/**
 * Tells the trees of the attempts in `claimed`; `$1` is the agent, `now` an SQL expression in epoch ms, `where` a
 * condition.
 */
export function tellClaimedSql(now: string, where = ''): string {
  return `insert into tree_inbox (root_id, event)
    select root_id, jsonb_build_object(
      'kind', 'claimed', 'node', node_index, 'attempt', number, 'at', ${now}, 'agent', $1)
    from claimed ${where} order by token_number returning id`;
}

/** What is told by the statement above, in `told`, as a column of the rows of `claimed`. */
export const FACT_IDS =
  'case when claimed.token_number = 1 then (select array_agg(id order by id) from told) end as fact_ids';

/** What of a row `a` both statements give back. */
export const CLAIMED_COLUMNS =
  'a.root_id, a.node_index, a.number, a.spec, a.status, a.limits is not null as is_limited';

/** An attempt on its way to an agent, with what its tree calls it. */
export interface HandedAttempt {
  readonly assignment: Assignment;
  readonly node: number;
  readonly status: AttemptStatus;
  /** It takes part in pools or a group. */
  readonly isLimited: boolean;
  /** What stands in the inbox of its tree about the claim. */
  readonly claim: ToldClaim | undefined;
}

/** A fact about a claim that whoever takes in what follows may take in with it. */
export interface ToldClaim {
  readonly factId: number;
  readonly atMs: number;
  readonly agentId: string;
}

/** `rows` in the order of their tokens. */
export function toHanded(
  rows: readonly ClaimedRow[],
  { agentId, atMs, token }: { agentId: string; atMs: number; token: (number: number) => string },
): HandedAttempt[] {
  // The driver gives bigint of an array as text.
  const factIds = (rows[0]?.fact_ids ?? []).map(Number);
  return rows.map((row, index) => {
    const factId = factIds[index];
    return {
      assignment: { spec: row.spec, token: token(row.token_number), leaseMs: AGENT_PROTOCOL.leaseMs },
      node: row.node_index,
      status: row.status,
      isLimited: row.is_limited,
      claim: factId === undefined ? undefined : { factId, atMs, agentId },
    };
  });
}
