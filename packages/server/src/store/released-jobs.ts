import { type AttemptStatus, type ReleasedJob, type RunStatus, toOlderJobStatus } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Schema } from './schema.ts';

/** How the jobs of attempts stand that this agent had, whoever carries them out now. */
export async function releasedJobs(
  db: Kysely<Schema>,
  agentId: string,
  attemptIds: readonly string[],
): Promise<ReleasedJob[]> {
  const { rows } = await sql<{ id: string; run: RunStatus; ended_at: Date | null; newest: AttemptStatus }>`
    select a.id, r.status as run, r.ended_at,
      (select n.status from attempts n where n.run_id = a.run_id order by n.number desc limit 1) as newest
    from attempts a join runs r on r.id = a.run_id
    where a.agent_id = ${agentId} and a.id = any(${attemptIds}::text[])`.execute(db);
  return rows.map(({ id, run, ended_at, newest }) => ({
    attemptId: id,
    status: toOlderJobStatus(run, newest),
    endedAt: ended_at?.toISOString() ?? null,
  }));
}

export async function runOfReleased(
  db: Kysely<Schema>,
  agentId: string,
  attemptId: string,
): Promise<string | undefined> {
  const found = await db
    .selectFrom('attempts')
    .select('run_id')
    .where('id', '=', attemptId)
    .where('agent_id', '=', agentId)
    .executeTakeFirst();
  return found?.run_id;
}
