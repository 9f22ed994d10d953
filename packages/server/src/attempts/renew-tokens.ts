import type { RenewAttemptTokens } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Schema } from '../store/schema.ts';

/**
 * Other tokens for attempts of an agent that has started again, also for those that are over: what it tells of them
 * later is evidence. Gives those whose token is the asked one now. Who has the agent's token alone cannot do it, nor
 * who has only read the proofs.
 */
export async function renewTokens(
  db: Kysely<Schema>,
  agentId: string,
  attempts: RenewAttemptTokens['attempts'],
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    with asked as (
      -- In the order in which all others lock several attempts: else two could wait for each other.
      select a.id, x.next
      from attempts a
      join jsonb_to_recordset(${jsonbText(attempts)}::jsonb)
        as x("attemptId" text, epoch int, known jsonb, next text) on a.id = x."attemptId"
      where a.agent_id = ${agentId} and a.epoch = x.epoch
        and (x.known || to_jsonb(x.next)) ? encode(a.token_hash, 'hex')
      order by a.id for update of a
    )
    update attempts a set token_hash = decode(asked.next, 'hex')
    from asked where a.id = asked.id
    returning a.id`.execute(db);
  return rows.map(({ id }) => id);
}
