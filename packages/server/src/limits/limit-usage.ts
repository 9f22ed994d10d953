import type pg from 'pg';
import type { Usage } from './hand-out.ts';

/** Gates that one claim looks at. There are at most as many as limits that are held, and pools. */
const MAX_GATES = 10_000;

/** Limits in SQL are those of attempts that an agent has: nothing else says what is held. */
export const HOLDS = `status in ('leased', 'running', 'paused') and limits is not null`;

// The gates are found by jumping from one to the next in the index, however many stand at each of them.
const USAGE_SQL = `
  with recursive gates as (
    select wanted.queue, next.gate from unnest($1::text[]) as wanted(queue)
    cross join lateral (
      select gate from attempts
      where queue = wanted.queue and status = 'queued' and gate is not null
      order by gate limit 1
    ) as next
    union all
    select gates.queue, next.gate from gates
    cross join lateral (
      select gate from attempts
      where queue = gates.queue and status = 'queued' and gate is not null and gate > gates.gate
      order by gate limit 1
    ) as next
  ), held as (
    select one.entry ->> 'key' as key, sum((one.entry ->> 'slots')::int)::int as slots
    from attempts, jsonb_array_elements(attempts.limits) as one(entry)
    where ${HOLDS}
    group by 1
  )
  select
    (select coalesce(json_agg(distinct gate), '[]') from (select gate from gates limit ${MAX_GATES}) as bounded) as gates,
    (select coalesce(json_object_agg(key, slots), '{}') from held) as held,
    (select coalesce(json_object_agg(name, slots), '{}') from pools) as pools`;

interface UsageRow {
  readonly gates: string[];
  readonly held: Record<string, number>;
  readonly pools: Record<string, number>;
}

/** What is held of every limit, what there is of every pool, and the gates at which attempts of the queues stand. */
export async function readUsage(
  client: pg.Pool | pg.PoolClient,
  queues: readonly string[],
): Promise<Usage & { readonly gates: readonly string[] }> {
  const { rows } = await client.query<UsageRow>({ name: 'limits-usage', text: USAGE_SQL, values: [queues] });
  const { gates, held, pools } = rows[0]!;
  return { gates, held: new Map(Object.entries(held)), poolSlots: new Map(Object.entries(pools)) };
}
