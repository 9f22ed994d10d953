import type { OnConflict } from '@trainyard/protocol';
import type pg from 'pg';
import type { Fact } from '../orchestrator/facts.ts';
import { inTransaction } from '../store/transaction.ts';
import { nameOf } from './attempt-limit.ts';
import { HOLDS } from './limit-usage.ts';
import { lockLimits } from './lock-limits.ts';
import { type GroupCancel, type GroupMember, settleGroup } from './settle-group.ts';
import { tellTrees } from './tell-trees.ts';

/** Groups that one look decides about, and attempts of one group: the newest ones, more at the next look. */
const MAX_GROUPS = 1000;
const MAX_MEMBERS = 20_000;

interface MemberRow extends GroupMember {
  readonly key: string;
  readonly root_id: string;
  readonly node_index: number;
  readonly number: number;
  readonly path: string;
}

/**
 * Cancels what newcomers of concurrency groups replace, and newcomers that must not wait. Groups in which
 * everybody simply waits are not looked at. True when something was decided.
 */
export async function settleStageGroups(pool: pg.Pool): Promise<boolean> {
  if ((await readGroups(pool)).length === 0) return false;
  return inTransaction(pool, 'read committed', async (client) => {
    await lockLimits(client);
    const members = await readMembers(client, await readGroups(client));
    const cancels = [...members.values()].flatMap((group) =>
      settleGroup(group, 'by claim').cancelled.map((cancel) => toCancel(cancel, group)),
    );
    if (cancels.length === 0) return false;
    await writeCancels(client, cancels);
    return true;
  });
}

async function readGroups(client: pg.Pool | pg.PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ key: string }>({
    name: 'limits-replacing-groups',
    text: `select distinct replacing_group as key from attempts
      where status = 'queued' and replacing_group is not null limit ${MAX_GROUPS}`,
  });
  return rows.map(({ key }) => key);
}

// Members count from when their stage was queued first: a later try of it does not make it newer.
const MEMBERS_SQL = `
  with entered as (
    select wanted.key, a.id from unnest($1::text[]) as wanted(key)
    cross join lateral (
      select id from attempts
      where status = 'queued' and limits @> jsonb_build_array(jsonb_build_object('key', wanted.key))
      order by id desc limit ${MAX_MEMBERS}
    ) as a
    union all
    select wanted.key, a.id from attempts a
    cross join lateral jsonb_array_elements(a.limits) as one(entry)
    join unnest($1::text[]) as wanted(key) on wanted.key = one.entry ->> 'key'
    where a.id in (select id from attempts where ${HOLDS})
  )
  select entered.key, a.id, a.root_id, a.node_index, a.number, r.path,
    case when a.status = 'queued' then 'waiting'
      when a.cancel_requested_at is not null then 'ending' else 'running' end as state,
    (one.entry ->> 'limit')::int as "limit", one.entry ->> 'onConflict' as "onConflict"
  from entered join attempts a on a.id = entered.id join runs r on r.id = a.run_id
  cross join lateral jsonb_array_elements(a.limits) as one(entry)
  where one.entry ->> 'key' = entered.key
  order by entered.key, r.queued_at, a.id`;

async function readMembers(
  client: pg.PoolClient,
  groups: readonly string[],
): Promise<ReadonlyMap<string, MemberRow[]>> {
  const { rows } = await client.query<MemberRow & { onConflict: OnConflict }>({
    name: 'limits-group-members',
    text: MEMBERS_SQL,
    values: [groups],
  });
  return Map.groupBy(rows, ({ key }) => key);
}

interface Cancel {
  readonly member: MemberRow;
  readonly reason: string;
}

function toCancel({ id, by, why }: GroupCancel, group: readonly MemberRow[]): Cancel {
  const member = group.find((each) => each.id === id)!;
  const other = group.find((each) => each.id === by)!;
  const name = nameOf(member.key);
  const who = `stage "${other.path}" of ${other.root_id}`;
  const reason =
    why === 'replaced'
      ? `replaced by ${who} in the concurrency group "${name}"`
      : `the concurrency group "${name}" is taken by ${who}`;
  return { member, reason };
}

/** As for a cancel by a person: what waits ends here and now, what runs is asked to end. */
async function writeCancels(client: pg.PoolClient, cancels: readonly Cancel[]): Promise<void> {
  const ids = cancels.map(({ member }) => member.id);
  const { rows } = await client.query<{ id: string; status: string }>({
    name: 'limits-cancel',
    text: `
      with locked as (select id from attempts where id = any($1::text[]) and ended_at is null order by id for update)
      update attempts a
      set cancel_requested_at = coalesce(a.cancel_requested_at, now()),
          status = case when a.status = 'queued' then 'cancelled' else a.status end,
          ended_at = case when a.status = 'queued' then now() end
      from locked where a.id = locked.id
      returning a.id, a.status`,
    values: [ids],
  });
  const statuses = new Map(rows.map(({ id, status }) => [id, status]));
  const at = Date.now();
  const facts = cancels.flatMap(({ member, reason }) => {
    const status = statuses.get(member.id);
    if (status === undefined) return [];
    const cancel: Fact = { kind: 'cancel', node: member.node_index, at, reason };
    const events = status === 'cancelled' ? [cancel, endOf(member, at)] : [cancel];
    return events.map((event) => ({ root_id: member.root_id, event }));
  });
  await tellTrees(client, facts);
}

function endOf({ node_index: node, number: attempt }: MemberRow, at: number): Fact {
  const nothing = { exitCode: null, signal: null, error: null, outputs: null, datasets: [] };
  return { kind: 'finished', node, attempt, at, outcome: 'cancelled', ...nothing };
}
