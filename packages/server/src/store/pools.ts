import { POOL_LIMITS, type Pool, type PoolDetails, type PoolUser, TrainyardError } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { HOLDS } from '../limits/limit-usage.ts';
import type { Schema } from './schema.ts';

/** Named capacities. What is held of them is read from the attempts that agents have. */
export interface PoolStore {
  /** All, by name. */
  list(): Promise<Pool[]>;
  /** @throws TrainyardError NOT_FOUND */
  find(name: string): Promise<PoolDetails>;
  /** Makes the pool or changes it. @throws TrainyardError TOO_LARGE when there are too many */
  set(
    name: string,
    values: { readonly slots: number; readonly description?: string | null | undefined },
  ): Promise<{ pool: Pool; isNew: boolean }>;
  /** @throws TrainyardError NOT_FOUND */
  remove(name: string): Promise<void>;
  /** Those of the names that are no pools. */
  missing(names: readonly string[]): Promise<string[]>;
}

interface PoolRow {
  name: string;
  slots: number;
  description: string | null;
  in_use: number;
  waiting: number;
  created_at: Date;
  updated_at: Date;
}

export function createPoolStore(db: Kysely<Schema>): PoolStore {
  const read = async (name: string | null): Promise<Pool[]> => {
    const { rows } = await sql<PoolRow>`
      with held as (
        select one.entry ->> 'key' as key, sum((one.entry ->> 'slots')::int)::int as slots
        from attempts, jsonb_array_elements(attempts.limits) as one(entry)
        where ${sql.raw(HOLDS)}
        group by 1
      )
      select p.*, coalesce(held.slots, 0) as in_use, (
        select count(*)::int from attempts a
        where a.status = 'queued' and a.limits is not null and a.limits @> ${containsPool(sql`p.name`)}
      ) as waiting
      from pools p left join held on held.key = 'pool/' || p.name
      where ${name}::text is null or p.name = ${name}
      order by p.name`.execute(db);
    return rows.map(toPool);
  };
  const one = async (name: string): Promise<Pool> => {
    const found = await read(name);
    if (found[0] === undefined) throw noPool(name);
    return found[0];
  };

  return {
    list: () => read(null),
    async find(name) {
      const pool = await one(name);
      const [holders, queue] = await Promise.all([users(db, name, HELD), users(db, name, QUEUED)]);
      return { ...pool, holders, queue };
    },
    async set(name, { slots, description }) {
      const { rows } = await sql<{ is_new: boolean }>`
        insert into pools (name, slots, description)
        select ${name}, ${slots}, ${description ?? null}
        where exists (select from pools where name = ${name})
          or (select count(*) from pools) < ${POOL_LIMITS.maxPools}
        on conflict (name) do update
        set slots = excluded.slots, updated_at = now(),
            description = case when ${description === undefined} then pools.description else excluded.description end
        returning xmax = 0 as is_new`.execute(db);
      if (rows[0] === undefined) {
        throw new TrainyardError(
          'TOO_LARGE',
          `There are ${POOL_LIMITS.maxPools} pools already, which is the most; delete one before you make "${name}".`,
        );
      }
      return { pool: await one(name), isNew: rows[0].is_new };
    },
    async remove(name) {
      const { rows } = await sql`delete from pools where name = ${name} returning 1`.execute(db);
      if (rows.length === 0) throw noPool(name);
    },
    async missing(names) {
      if (names.length === 0) return [];
      const { rows } = await sql<{ name: string }>`
        select wanted.name from unnest(${names}::text[]) as wanted(name)
        where not exists (select from pools p where p.name = wanted.name)`.execute(db);
      return rows.map((row) => row.name);
    },
  };
}

const HELD = {
  where: sql`a.status in ('leased', 'running', 'paused') and a.limits is not null`,
  since: sql`a.claimed_at`,
  order: sql`a.claimed_at, a.id`,
};
const QUEUED = {
  where: sql`a.status = 'queued' and a.limits is not null`,
  since: sql`a.created_at`,
  order: sql`a.rank, a.id`,
};

async function users(db: Kysely<Schema>, name: string, which: typeof HELD): Promise<PoolUser[]> {
  const { rows } = await sql<PoolUser & { since: Date }>`
    select a.run_id as "runId", a.root_id as "rootId", t.name as "runName", r.path, a.number as attempt,
      (one.entry ->> 'slots')::int as slots, ${which.since} as since
    from attempts a
    cross join lateral jsonb_array_elements(a.limits) as one(entry)
    join runs r on r.id = a.run_id join trees t on t.root_id = a.root_id
    where ${which.where} and a.limits @> ${containsPool(sql`${name}::text`)}
      and one.entry ->> 'key' = 'pool/' || ${name}
    order by ${which.order} limit ${POOL_LIMITS.maxListed}`.execute(db);
  return rows.map((row) => ({ ...row, since: row.since.toISOString() }));
}

function containsPool(name: ReturnType<typeof sql>) {
  return sql`jsonb_build_array(jsonb_build_object('key', 'pool/' || ${name}))`;
}

function toPool(row: PoolRow): Pool {
  return {
    name: row.name,
    slots: row.slots,
    description: row.description,
    inUse: row.in_use,
    waiting: row.waiting,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}

function noPool(name: string): TrainyardError {
  return new TrainyardError(
    'NOT_FOUND',
    `There is no pool "${name}"; make it with: trainyard pools set ${name} --slots N`,
  );
}
