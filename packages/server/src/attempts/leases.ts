import { AGENT_PROTOCOL, type HeldAttempt, type MachineTelemetry } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Schema } from '../store/schema.ts';
import { insertFacts } from './claim.ts';

/**
 * Renews the leases of what an agent holds; answers the attempts whose lease was renewed. Those on machines that
 * the agent cannot reach are marked, and nothing else happens to them.
 */
export async function renewLeases(
  db: Kysely<Schema>,
  agentId: string,
  held: readonly Pick<HeldAttempt, 'attemptId' | 'unreachableForMs'>[],
  telemetry?: MachineTelemetry,
): Promise<string[]> {
  const seen = telemetry === undefined ? null : JSON.stringify(telemetry);
  await sql`
    update agents set last_seen_at = now(), telemetry = coalesce(${seen}::jsonb, telemetry)
    where id = ${agentId}`.execute(db);
  if (held.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    with held as (
      -- In the order in which all others lock several attempts: else two could wait for each other.
      select a.id, x."unreachableForMs"
      from attempts a
      join jsonb_to_recordset(${jsonbText(held)}::jsonb) as x("attemptId" text, "unreachableForMs" bigint)
        on a.id = x."attemptId"
      where a.agent_id = ${agentId} and a.status in ('leased', 'running', 'paused')
      order by a.id for update of a
    )
    update attempts a
    set lease_until = now() + ${AGENT_PROTOCOL.leaseMs} * interval '1 millisecond',
        unreachable_since = case when held."unreachableForMs" is not null
          then coalesce(a.unreachable_since, now() - held."unreachableForMs" * interval '1 millisecond') end
    from held where a.id = held.id
    returning a.id`.execute(db);
  return rows.map((row) => row.id);
}

/**
 * Judges leases that ran out. First the attempt is only marked unreachable: a fault of the link kills
 * nothing. When the grace is over too, by which time the agent has ended the job itself, it is lost.
 * Returns how many facts were written.
 */
export async function expireLeases(db: Kysely<Schema>): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<{
      root_id: string;
      node_index: number;
      number: number;
      status: string;
      was_unreachable: boolean;
    }>`
      with overdue as (
        select id, unreachable_since is not null as was_unreachable,
          lease_until + ${AGENT_PROTOCOL.lostGraceMs} * interval '1 millisecond' < now() as is_lost
        from attempts
        where status in ('leased', 'running', 'paused') and lease_until < now()
        order by id limit 1000 for update skip locked
      )
      update attempts a
      set unreachable_since = coalesce(a.unreachable_since, now()),
          status = case when o.is_lost then 'lost' else a.status end,
          ended_at = case when o.is_lost then now() else null end
      from overdue o
      where a.id = o.id and (o.is_lost or not o.was_unreachable)
      returning a.root_id, a.node_index, a.number, a.status, o.was_unreachable`.execute(trx);
    const at = Date.now();
    const facts = rows.map((row) => {
      const subject = { node: row.node_index, attempt: row.number, at };
      const event = row.status === 'lost' ? lostFact(subject, LOST) : { kind: 'unreachable', ...subject };
      return { root_id: row.root_id, event };
    });
    await insertFacts(trx, facts);
    return facts.length;
  });
}

/** A call that overtook an older one may not know yet what the older one brought. */
const ANSWER_ON_ITS_WAY_MS = 5000;

/**
 * Takes back attempts whose claim was answered but whose answer never reached the agent: they are leased to
 * it, it does not hold them, and it asks with another request id now. Without this they would stand until
 * their lease is over. Returns how many there were.
 */
export async function takeBackUnheld(
  db: Kysely<Schema>,
  agent: { readonly id: string; readonly heldIds: readonly string[]; readonly requestId: string },
): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ root_id: string; node_index: number; number: number }>`
      update attempts set status = 'lost', ended_at = now()
      where agent_id = ${agent.id} and status = 'leased' and claim_request <> ${agent.requestId}
        -- Handed over by the older training API: no claim of the agent's own brought it.
        and claim_request not like 'pull %'
        and not id = any(${agent.heldIds}::text[])
        and claimed_at < now() - ${ANSWER_ON_ITS_WAY_MS} * interval '1 millisecond'
      returning root_id, node_index, number`.execute(trx);
    const at = Date.now();
    const facts = rows.map((row) => ({
      root_id: row.root_id,
      event: lostFact({ node: row.node_index, attempt: row.number, at }, NEVER_REACHED),
    }));
    await insertFacts(trx, facts);
    return facts.length;
  });
}

const NEVER_REACHED = {
  code: 'lost',
  message: 'The agent never got the attempt: the answer to its claim was lost.',
};

function lostFact(subject: { node: number; attempt: number; at: number }, error: typeof LOST) {
  return {
    kind: 'finished',
    ...subject,
    outcome: 'lost',
    exitCode: null,
    signal: null,
    error,
    outputs: null,
    datasets: [],
  };
}

const LOST = {
  code: 'lost',
  message: 'The agent stopped answering; its lease and the grace after it ran out.',
};
