import { NEVER_DELIVERED, type RunError } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { insertFacts } from './claim.ts';
import { lostFact } from './leases.ts';

/** A call that overtook an older one may not know yet what the older one brought. */
const ANSWER_ON_ITS_WAY_MS = 5000;

/** What an agent says of itself in a claim call. */
export interface CallingAgent {
  readonly id: string;
  readonly heldIds: readonly string[];
  /** Requests that it has not had an answer with work to: this one, and those of its other lanes. */
  readonly openRequests: readonly string[];
  /** How long ago it said so: what was assigned since it cannot have named. */
  readonly saidAgoMs: number;
}

/**
 * Takes back attempts whose claim was answered but whose answer never reached the agent's disk: they are leased to
 * it, it does not hold them, and it does not know the request any more by which they were claimed. Without this
 * they would stand until their lease is over. Nothing of them has run, so that it counts on no budget. Returns how
 * many there were.
 */
export async function takeBackUnheld(db: Kysely<Schema>, agent: CallingAgent): Promise<number> {
  const forMs = Math.max(ANSWER_ON_ITS_WAY_MS, agent.saidAgoMs);
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ root_id: string; node_index: number; number: number }>`
      update attempts
      set status = 'lost', ended_at = now(), error = ${JSON.stringify(UNHELD)}::jsonb
      where agent_id = ${agent.id} and status = 'leased' and not claim_request = any(${agent.openRequests}::text[])
        -- Handed over by the older training API: no claim of the agent's own brought it.
        and claim_request not like 'pull %'
        and not id = any(${agent.heldIds}::text[])
        and claimed_at < now() - ${forMs} * interval '1 millisecond'
      returning root_id, node_index, number`.execute(trx);
    const at = Date.now();
    const facts = rows.map((row) => ({
      root_id: row.root_id,
      event: lostFact({ node: row.node_index, attempt: row.number, at }, UNHELD),
    }));
    await insertFacts(trx, facts);
    return facts.length;
  });
}

const UNHELD: RunError = {
  code: NEVER_DELIVERED,
  class: 'lost',
  message:
    'The agent never got the attempt: it was killed, or the answer to its claim was lost. Nothing has run; it is handed out again.',
};
