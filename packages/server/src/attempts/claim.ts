import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import { newAttemptTokens } from '../auth/secret-token.ts';
import { createLimitedClaims } from '../limits/claim-limited.ts';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Schema } from '../store/schema.ts';
import {
  CLAIMED_COLUMNS,
  type ClaimedRow,
  type ClaimRequest,
  FACT_IDS,
  type HandedAttempt,
  leaseSql,
  mayHaveSql,
  tellClaimedSql,
  toHanded,
} from './claim-parts.ts';

/** Bounds one answer; an agent with more room asks again at once. */
const MAX_PER_CLAIM = 500;

// Picked attempts each fit the free GPUs alone; the running sum keeps those that fit together. A repeat
// with the same request id gets the same attempts with new tokens: its first answer was lost. Where pools or
// groups are in play, nothing is claimed but said: they need more than one statement.
const CLAIM_SQL = `
  with repeated as (
    select id, gpus, rank from attempts
    where claim_request = $2 and agent_id = $1 and status in ('leased', 'running', 'paused')
  ), picked as (
    select candidate.* from unnest($3::text[]) as wanted(queue)
    cross join lateral (
      select id, gpus, rank, limits is not null as is_limited from attempts a
      where queue = wanted.queue and status = 'queued' and gate is null and gpus <= $5
        and ${mayHaveSql('$1')}
      order by rank, id
      limit $4 for update skip locked
    ) as candidate
    where not exists (select from repeated)
  ), limited as (
    select exists (select from picked where is_limited)
      or not $8::boolean and not exists (select from repeated) and exists (
        select from unnest($3::text[]) as wanted(queue)
        cross join lateral (
          select from attempts where queue = wanted.queue and status = 'queued' and gate is not null limit 1
        ) as gated
      ) as is_limited
  ), ordered as (
    select id, row_number() over first_come as token_number, sum(gpus) over first_come as gpus_so_far
    from (select id, gpus, rank from repeated union all select id, gpus, rank from picked) as both_kinds
    where not (select is_limited from limited)
    window first_come as (order by rank, id)
  ), claimed as (
    update attempts a set ${leaseSql({ seed: '$6::bytea', number: 'o.token_number' })}
    from ordered o
    where a.id = o.id and (o.gpus_so_far <= $5 or exists (select from repeated)) and o.token_number <= $4
    returning a.id, ${CLAIMED_COLUMNS}, o.token_number
  ), told as (
    ${tellClaimedSql('$7::bigint', 'where not exists (select from repeated)')}
  )
  select limited.is_limited as has_limits, is_queue_empty, claimed.spec, claimed.node_index, claimed.status, claimed.is_limited,
    claimed.token_number::int, ${FACT_IDS}
  from limited left join claimed on true
  cross join lateral (
    select not exists (
      select from attempts where queue = any($3::text[]) and status = 'queued' and gate is null
        and id not in (select id from claimed)
    ) and not exists (
      select from attempts where queue = any($3::text[]) and status = 'queued' and gate is not null
    ) and not exists (
      select from agents where id = $1 and draining_since is not null
    ) as is_queue_empty
  ) as emptiness
  order by token_number`;

type ClaimRow = { readonly has_limits: boolean; readonly is_queue_empty: boolean } & (
  | ClaimedRow
  | { readonly spec: null }
);

export interface Claimed {
  readonly handed: readonly HandedAttempt[];
  /** Nothing is left in the queues of the agent, not even what it could not have taken. */
  readonly isQueueEmpty: boolean;
}

/** Hands out attempts, by priority and then by age. */
export interface Claims {
  claim(request: ClaimRequest): Promise<Claimed>;
}

/** `onLimits` is called when attempts with limits may have been handed out. */
export function createClaims(pool: pg.Pool, onLimits: () => void): Claims {
  const limited = createLimitedClaims(pool);
  return {
    async claim(wanted) {
      const request = { ...wanted, free: Math.min(wanted.free, MAX_PER_CLAIM) };
      const unlimited = await claimUnlimited(pool, request, false);
      if (unlimited !== undefined) return unlimited;
      // That some wait for a full pool is the usual case; the others are claimed beside them without the lock.
      if (!(await limited.hasOpenGates(request.queues))) {
        const beside = await claimUnlimited(pool, request, true);
        if (beside !== undefined) return beside;
      }
      const handed = await limited.claim(request);
      if (handed.length > 0) onLimits();
      return { handed, isQueueEmpty: false };
    },
  };
}

/**
 * Claims in one statement; `undefined` where attempts with limits are in play. Those that stand at gates are
 * not when it is known that all `areGatesShut`.
 */
async function claimUnlimited(
  pool: pg.Pool,
  request: ClaimRequest,
  areGatesShut: boolean,
): Promise<Claimed | undefined> {
  const tokens = newAttemptTokens();
  const atMs = Date.now();
  const { rows } = await pool.query<ClaimRow>({
    name: 'attempts-claim',
    text: CLAIM_SQL,
    values: [
      request.agentId,
      request.requestId,
      request.queues,
      request.free,
      request.freeGpus,
      tokens.seed,
      atMs,
      areGatesShut,
    ],
  });
  if (rows[0]?.has_limits === true) return undefined;
  const claimed = rows.filter((row): row is ClaimRow & ClaimedRow => row.spec !== null);
  return {
    handed: toHanded(claimed, { agentId: request.agentId, atMs, token: tokens.token }),
    isQueueEmpty: rows[0]?.is_queue_empty === true,
  };
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
