import type { OnConflict } from '@trainyard/protocol';
import type pg from 'pg';
import type { Fact } from '../orchestrator/facts.ts';
import { inTransaction } from '../store/transaction.ts';
import { lockLimits } from './lock-limits.ts';
import { type GroupCancel, type GroupMember, type Settlement, settleGroup } from './settle-group.ts';
import { tellTrees } from './tell-trees.ts';

/** Groups that one look decides about, and waiting runs of one group: from both ends, the rest later. */
const MAX_GROUPS = 1000;
const MAX_WAITING = 200;

interface MemberRow extends GroupMember {
  readonly group_name: string;
}

/**
 * Lets runs that wait for their concurrency group start in their turn, and cancels what newcomers replace
 * and newcomers that must not wait. True when something was decided.
 */
export async function settleRunGroups(pool: pg.Pool): Promise<boolean> {
  if ((await readGroups(pool)).length === 0) return false;
  return inTransaction(pool, 'read committed', async (client) => {
    await lockLimits(client);
    const { rows } = await client.query<MemberRow & { onConflict: OnConflict }>({
      name: 'limits-run-members',
      text: MEMBERS_SQL,
      values: [await readGroups(client)],
    });
    let hasDecided = false;
    for (const [name, members] of Map.groupBy(rows, (row) => row.group_name)) {
      const settlement = settleGroup(members, 'by turn');
      if (settlement.admitted.length === 0 && settlement.cancelled.length === 0) continue;
      await write(client, name, settlement);
      hasDecided = true;
    }
    return hasDecided;
  });
}

const AWAITING = 'group_name is not null and ended_at is null and admitted_at is null';

async function readGroups(client: pg.Pool | pg.PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ group_name: string }>({
    name: 'limits-run-groups',
    text: `select distinct group_name from trees
      where ${AWAITING} and group_cancelled_at is null limit ${MAX_GROUPS}`,
  });
  return rows.map((row) => row.group_name);
}

const MEMBERS_SQL = `
  with entered as (
    select root_id from trees
    where group_name = any($1::text[]) and ended_at is null and admitted_at is not null
    union
    select waiting.root_id from unnest($1::text[]) as wanted(name)
    cross join lateral (
      (select root_id from trees
       where group_name = wanted.name and ${AWAITING} and group_cancelled_at is null
       order by root_id limit ${MAX_WAITING})
      union
      (select root_id from trees
       where group_name = wanted.name and ${AWAITING} and group_cancelled_at is null
       order by root_id desc limit ${MAX_WAITING})
    ) as waiting
  )
  select t.group_name, t.root_id as id, t.group_limit as "limit", t.group_conflict as "onConflict",
    case when t.admitted_at is null then 'waiting'
      when t.group_cancelled_at is not null or t.status = 'cancelling' then 'ending'
      else 'running' end as state
  from entered join trees t using (root_id)
  order by t.group_name, t.root_id`;

async function write(client: pg.PoolClient, name: string, settlement: Settlement): Promise<void> {
  const { admitted, cancelled } = settlement;
  await client.query({
    name: 'limits-admit-runs',
    text: `update trees set admitted_at = now() where root_id = any($1::text[])`,
    values: [admitted],
  });
  await client.query({
    name: 'limits-cancel-runs',
    text: `update trees set group_cancelled_at = now() where root_id = any($1::text[])`,
    values: [cancelled.map(({ id }) => id)],
  });
  const at = Date.now();
  const facts: { root_id: string; event: Fact }[] = [
    ...admitted.map((id) => ({ root_id: id, event: { kind: 'admitted' as const, node: 0, at } })),
    ...cancelled.map((cancel) => ({
      root_id: cancel.id,
      event: { kind: 'cancel' as const, node: 0, at, reason: reasonOf(cancel, name) },
    })),
  ];
  await tellTrees(client, facts);
}

function reasonOf({ by, why }: GroupCancel, name: string): string {
  return why === 'replaced'
    ? `replaced by ${by} in the concurrency group "${name}"`
    : `the concurrency group "${name}" is taken by ${by}`;
}
