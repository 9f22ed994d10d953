import type pg from 'pg';
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
} from '../attempts/claim-parts.ts';
import { newAttemptTokens } from '../auth/secret-token.ts';
import { inTransaction } from '../store/transaction.ts';
import { type Candidate, type HandOut, handOut, isOpen, isReserving } from './hand-out.ts';
import { readUsage } from './limit-usage.ts';
import { lockLimits } from './lock-limits.ts';

/** Attempts that one round looks at, once the first has found that those in front do not fit. */
const CANDIDATES_PER_ROUND = 256;
/** Of each round everything that does not fit stands aside, so this many rounds pass 100,000 attempts. */
const MAX_ROUNDS = 400;

/** Claims where attempts with limits are in play. */
export interface LimitedClaims {
  claim(request: ClaimRequest): Promise<HandedAttempt[]>;
  /** True when some that stood aside would fit now. */
  hasOpenGates(queues: readonly string[]): Promise<boolean>;
}

/**
 * Claims of one server take turns here: they have to take turns in the database anyway, and there a waiting
 * one would hold a connection.
 */
export function createLimitedClaims(pool: pg.Pool): LimitedClaims {
  let turn: Promise<unknown> = Promise.resolve();
  return {
    claim(request) {
      const mine = turn.then(() => claim(pool, request));
      turn = mine.catch(() => {});
      return mine;
    },
    async hasOpenGates(queues) {
      const usage = await readUsage(pool, queues);
      return usage.gates.some((gate) => isOpen(gate, usage));
    },
  };
}

async function claim(pool: pg.Pool, request: ClaimRequest): Promise<HandedAttempt[]> {
  let window = request.free;
  for (let round = 1; round <= MAX_ROUNDS; round += 1) {
    const { handed, hasParked } = await inTransaction(pool, 'read committed', (client) =>
      claimRound(client, request, window),
    );
    if (handed.length > 0 || !hasParked) return handed;
    window = CANDIDATES_PER_ROUND;
  }
  return [];
}

/**
 * Whoever hands out limits holds the lock first and reads after: what is held can only grow less meanwhile,
 * so no limit is ever passed.
 */
async function claimRound(
  client: pg.PoolClient,
  request: ClaimRequest,
  window: number,
): Promise<{ handed: HandedAttempt[]; hasParked: boolean }> {
  await lockLimits(client);
  const usage = await readUsage(client, request.queues);
  const open = usage.gates.filter((gate) => isOpen(gate, usage));
  const reserving = usage.gates.filter((gate) => isReserving(gate, usage));
  const { candidates, first } = await readCandidates(client, request, { window, open, reserving });
  const free = { slots: request.free, gpus: request.freeGpus };
  const { taken, parked } = handOut(candidates, usage, free, first);
  const handed = await write(client, request, { taken, parked });
  return { handed, hasParked: parked.length > 0 };
}

const COLUMNS = 'id, rank, gpus, limits, gate';

// Only one that stands first at a gate reserves, so of a gate that is shut one row is enough.
// A call of the same request that took its turn meanwhile is repeated by the statement for all claims.
const CANDIDATES_SQL = `
  with repeated as (
    select from attempts
    where claim_request = $7 and agent_id = $8 and status in ('leased', 'running', 'paused')
  ), ungated as (
    select found.* from unnest($1::text[]) as wanted(queue)
    cross join lateral (
      select ${COLUMNS} from attempts a
      where queue = wanted.queue and status = 'queued' and gate is null and gpus <= $2
        and ${mayHaveSql('$8')}
      order by rank, id limit $3 for update skip locked
    ) as found
    where not exists (select from repeated)
  ), gated as (
    select found.* from unnest($1::text[]) as wanted(queue)
    cross join unnest($4::text[]) as open(gate)
    cross join lateral (
      select ${COLUMNS} from attempts a
      where queue = wanted.queue and status = 'queued' and gate = open.gate and gpus <= $2
        and ${mayHaveSql('$8')}
      order by rank, id limit $5 for update skip locked
    ) as found
    where not exists (select from repeated)
  ), first as (
    select found.* from unnest($1::text[]) as wanted(queue)
    cross join unnest($6::text[]) as shut(gate)
    cross join lateral (
      select ${COLUMNS} from attempts a
      where queue = wanted.queue and status = 'queued' and gate = shut.gate and gpus <= $2
        and ${mayHaveSql('$8')}
      order by rank, id limit 1
    ) as found
  )
  select *, false as is_first from ungated
  union all select *, false from gated
  union all select *, true from first`;

async function readCandidates(
  client: pg.PoolClient,
  { queues, free, freeGpus, requestId, agentId }: ClaimRequest,
  { window, open, reserving }: { window: number; open: readonly string[]; reserving: readonly string[] },
): Promise<{ candidates: Candidate[]; first: Candidate[] }> {
  const perGate = Math.max(1, Math.min(free, Math.ceil(CANDIDATES_PER_ROUND / Math.max(1, open.length))));
  const { rows } = await client.query<Candidate & { is_first: boolean }>({
    name: 'limits-candidates',
    text: CANDIDATES_SQL,
    values: [queues, freeGpus, window, open, perGate, reserving, requestId, agentId],
  });
  return { candidates: rows.filter((row) => !row.is_first), first: rows.filter((row) => row.is_first) };
}

const WRITE_SQL = `
  with claimed as (
    update attempts a set gate = null, ${leaseSql({ seed: '$3::bytea', number: 'x.token_number' })}
    from unnest($4::text[]) with ordinality as x(id, token_number)
    where a.id = x.id
    returning ${CLAIMED_COLUMNS}, x.token_number
  ), parked as (
    update attempts a set gate = x.gate
    from unnest($5::text[], $6::text[]) as x(id, gate)
    where a.id = x.id
  ), told as (
    ${tellClaimedSql('$7::bigint')}
  )
  select spec, node_index, status, is_limited, token_number::int, ${FACT_IDS} from claimed order by token_number`;

async function write(
  client: pg.PoolClient,
  { agentId, requestId }: ClaimRequest,
  { taken, parked }: HandOut,
): Promise<HandedAttempt[]> {
  if (taken.length === 0 && parked.length === 0) return [];
  const tokens = newAttemptTokens();
  const atMs = Date.now();
  const { rows } = await client.query<ClaimedRow>({
    name: 'limits-claim',
    text: WRITE_SQL,
    values: [
      agentId,
      requestId,
      tokens.seed,
      taken,
      parked.map(({ id }) => id),
      parked.map(({ gate }) => gate),
      atMs,
    ],
  });
  return toHanded(rows, { agentId, atMs, token: tokens.token });
}
