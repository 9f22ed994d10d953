import type { RemovableAnswer } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Schema } from './schema.ts';

/**
 * Which attempts of an agent need their directories no more. Needed are those of runs that go on or are kept, and
 * directories with a checkpoint, an artifact or a dataset that is recorded. Of what the server does not know at
 * all, nothing is said: it may be another server's.
 */
export async function removableAttempts(
  db: Kysely<Schema>,
  agentId: string,
  attemptIds: readonly string[],
): Promise<RemovableAnswer['items']> {
  const { rows } = await sql<RemovableAnswer['items'][number]>`
    with asked as (select id, '/' || id || '/' as part from unnest(${attemptIds}::text[]) as a (id)),
    found as (
      select asked.id, asked.part, d.run_id, 'deleted' as because, null::jsonb as outputs
      from asked join deleted_attempts d on d.attempt_id = asked.id
      where d.agent_id = ${agentId}
      union all
      select asked.id, asked.part, a.run_id, 'ended', r.outputs
      from asked join attempts a on a.id = asked.id
        join runs r on r.id = a.run_id join trees t on t.root_id = r.root_id
      where a.agent_id = ${agentId} and t.ended_at is not null and t.kept_at is null
    )
    select f.id as "attemptId", f.because from found f
    where position(f.part in coalesce(f.outputs::text, '')) = 0
      and not exists (select from model_checkpoints c
        where c.run_id = f.run_id and c.deleted_at is null and position(f.part in c.path) > 0)
      and not exists (select from dataset_versions v
        where v.created_attempt_id = f.id and position(f.part in v.path) > 0)
    order by f.id`.execute(db);
  return rows;
}
