import type { PauseMode, RunWait } from '@trainyard/protocol';
import type pg from 'pg';

const MAX_HELD_UP = 1000;

interface HeldUp {
  readonly run_id: string;
  readonly path: string;
  readonly status: string;
  /** How it was asked to halt, as long as it has not said that it stands still. */
  readonly pausing: PauseMode | null;
  readonly unreachable_since: Date | null;
  /** Its lease has run out: the agent itself is not heard of. Else it is the agent that cannot reach its host. */
  readonly is_agent_away: boolean;
  readonly agent: string | null;
  readonly host: string | null;
}

/** Stages of a run whose agent or host does not answer at the moment, or that have not halted yet as was asked. */
export async function readHeldUp(pool: pg.Pool, rootId: string): Promise<RunWait[]> {
  const { rows } = await pool.query<HeldUp>(
    `select * from (
       select a.run_id, r.path, r.node_index, a.status, coalesce(a.lease_until < now(), false) as is_agent_away,
         case when a.lease_until < now() then greatest(a.unreachable_since, a.lease_until)
           else a.unreachable_since end as unreachable_since,
         case when a.status <> 'paused' and a.cancel_requested_at is null then a.pause_mode end as pausing,
         g.name as agent, a.target->>'address' as host
       from runs r
       join attempts a on a.run_id = r.id and a.number = r.attempt
       left join agents g on g.id = a.agent_id
       where r.root_id = $1 and r.ended_at is null and a.ended_at is null
         and a.status in ('leased', 'running', 'paused')
         and (a.unreachable_since is not null or a.pause_mode is not null)
     ) held
     where unreachable_since is not null or pausing is not null
     order by node_index limit ${MAX_HELD_UP}`,
    [rootId],
  );
  return rows.map((row) => ({
    runId: row.run_id,
    path: row.path,
    reason: [pausing(row), away(row)].filter((text) => text !== undefined).join('; '),
    ...(row.pausing !== null && { isPausing: true as const }),
  }));
}

function pausing({ pausing: mode, status }: HeldUp): string | undefined {
  if (mode === null) return undefined;
  const what = status === 'leased' ? 'it is being started' : 'its program has not confirmed yet that it does';
  return `pausing: it was asked to stand still (${mode}), and ${what}`;
}

/** That alone ends nothing. */
function away({ unreachable_since: at, is_agent_away: isAgentAway, ...row }: HeldUp): string | undefined {
  if (at === null) return undefined;
  const since = at.toISOString();
  const agent = row.agent ?? '';
  if (isAgentAway) {
    return `its agent ${agent} has not been heard of since ${since}; if it stays away, the job is handed out again`;
  }
  if (row.status === 'leased') {
    return `its agent ${agent} cannot reach the host since ${since}, and goes on trying to start the job there`;
  }
  const state = row.status === 'paused' ? 'stand still there as before' : 'run on there';
  return (
    `its host ${row.host ?? ''} cannot be reached since ${since}; the job is taken to ${state}, nothing is handed ` +
    `out again, and its agent ${agent} goes on trying`
  );
}
