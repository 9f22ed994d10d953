import type { RunWait } from '@trainyard/protocol';
import type pg from 'pg';

const MAX_LEFT_BEHIND = 1000;

interface LeftBehind {
  readonly run_id: string;
  readonly path: string;
  readonly number: number;
  readonly host: string;
  readonly dir: string;
  readonly agent: string | null;
  readonly given_up_at: Date;
}

/**
 * Attempts that were given up on another machine than their agent's, as long as that agent was not heard of since: their
 * programs may still run there, beside the attempt that came after. One that starts on the same host ends them first.
 */
export async function readLeftBehind(pool: pg.Pool, rootId: string): Promise<RunWait[]> {
  const { rows } = await pool.query<LeftBehind>(
    `select a.run_id, r.path, a.number, a.target->>'address' as host, a.target->>'dir' as dir, g.name as agent,
       a.ended_at as given_up_at
     from runs r
     join attempts a on a.run_id = r.id
     left join agents g on g.id = a.agent_id
     where r.root_id = $1 and r.ended_at is null and a.status = 'lost' and a.target is not null
       and a.late_report is null and (g.last_seen_at is null or g.last_seen_at < a.ended_at)
       and not exists (
         select from attempts later
         where later.run_id = a.run_id and later.number > a.number and later.started_at is not null
           and later.target->>'address' = a.target->>'address'
       )
     order by r.node_index, a.number limit ${MAX_LEFT_BEHIND}`,
    [rootId],
  );
  return rows.map((row) => ({ runId: row.run_id, path: row.path, reason: reasonOf(row) }));
}

function reasonOf({ number, host, dir, agent, given_up_at: at }: LeftBehind): string {
  return (
    `attempt ${number} was given up at ${at.toISOString()} and may still run on ${host} (${dir}): its agent ` +
    `${agent ?? ''} has not been heard of since. It is ended when that agent is back, when an attempt of this run ` +
    `starts on ${host}, or when the time is over that the host allows without an agent (--unwatched-for)`
  );
}
