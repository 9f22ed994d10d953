import type { RunWait } from '@trainyard/protocol';
import type pg from 'pg';

const MAX_UNREACHABLE = 1000;

/** Stages of a run whose agent does not answer at the moment. That alone ends nothing. */
export async function readUnreachable(pool: pg.Pool, rootId: string): Promise<RunWait[]> {
  const { rows } = await pool.query<{ run_id: string; path: string; since: Date; agent: string | null }>(
    `select a.run_id, r.path, a.unreachable_since as since, g.name as agent from runs r
     join attempts a on a.run_id = r.id and a.number = r.attempt
     left join agents g on g.id = a.agent_id
     where r.root_id = $1 and r.ended_at is null and a.ended_at is null and a.unreachable_since is not null
     order by r.node_index limit ${MAX_UNREACHABLE}`,
    [rootId],
  );
  return rows.map(({ run_id: runId, path, since, agent }) => ({
    runId,
    path,
    reason: `its agent ${agent ?? ''} has not been heard of since ${since.toISOString()}; if it stays away, the job is handed out again`,
  }));
}
