import type { RunWait } from '@trainyard/protocol';
import type pg from 'pg';
import { type AttemptLimit, isGroup, nameOf } from './attempt-limit.ts';
import type { Usage } from './hand-out.ts';
import { HOLDS, readUsage } from './limit-usage.ts';

/** Stages of a tree whose reasons one answer gives. */
const MAX_WAITS = 500;

interface WaitingRow {
  readonly run_id: string;
  readonly path: string;
  readonly limits: readonly AttemptLimit[];
}

/** Why queued stages of a tree cannot start now although they are ready: pools and groups without room. */
export async function readWaits(pool: pg.Pool, rootId: string): Promise<RunWait[]> {
  const { rows } = await pool.query<WaitingRow>(
    `select a.run_id, r.path, a.limits from runs r
     join attempts a on a.run_id = r.id and a.number = r.attempt
     where r.root_id = $1 and r.status = 'queued' and a.status = 'queued' and a.limits is not null
     order by r.node_index limit ${MAX_WAITS}`,
    [rootId],
  );
  if (rows.length === 0) return runWaits(pool, rootId);
  const usage = await readUsage(pool, []);
  const keys = new Set(rows.flatMap(({ limits }) => limits.map(({ key }) => key)));
  const holders = await readHolders(pool, [...keys]);
  return rows.flatMap(({ run_id: runId, path, limits }) => {
    const reasons = limits.flatMap((limit) => whyFull(limit, usage, holders.get(limit.key)) ?? []);
    return reasons.length === 0 ? [] : [{ runId, path, reason: reasons.join('; ') }];
  });
}

/** Why the run itself has not started: its group, if it waits for one. */
async function runWaits(pool: pg.Pool, rootId: string): Promise<RunWait[]> {
  const { rows } = await pool.query<{
    group_name: string;
    group_limit: number;
    at_work: number;
    first: string | null;
    before: number;
  }>(
    `select t.group_name, t.group_limit, held.count as at_work, held.first,
       (select count(*)::int from trees b
        where b.group_name = t.group_name and b.ended_at is null and b.admitted_at is null
          and b.group_cancelled_at is null and b.root_id < t.root_id) as before
     from trees t
     cross join lateral (
       select count(*)::int as count, min(h.root_id) as first from trees h
       where h.group_name = t.group_name and h.ended_at is null and h.admitted_at is not null
     ) as held
     where t.root_id = $1 and t.group_name is not null and t.ended_at is null and t.admitted_at is null`,
    [rootId],
  );
  return rows.map((row) => {
    const holder = row.first === null ? '' : ` (${row.first})`;
    const before = row.before === 0 ? '' : `, ${row.before} before it`;
    const reason = `waits for its turn in the concurrency group "${row.group_name}": ${row.at_work} of ${row.group_limit} at work${holder}${before}`;
    return { runId: rootId, path: '', reason };
  });
}

/** What a limit lacks for one more attempt, in words; `undefined` when it has room. */
export function whyFull(
  limit: AttemptLimit,
  { held, poolSlots }: Usage,
  holder: string | undefined,
): string | undefined {
  const name = nameOf(limit.key);
  const inUse = held.get(limit.key) ?? 0;
  const by = holder === undefined ? '' : `, longest by ${holder}`;
  if (isGroup(limit)) {
    if (inUse < limit.limit) return undefined;
    return `the concurrency group "${name}" is full: ${inUse} of ${limit.limit} at work${by}`;
  }
  const slots = poolSlots.get(name);
  if (slots === undefined) {
    return `the pool "${name}" does not exist; make it with: trainyard pools set ${name} --slots N`;
  }
  if (limit.slots > slots) {
    return `the pool "${name}" has ${slots} ${slots === 1 ? 'slot' : 'slots'} and this stage takes ${limit.slots}: it cannot start before the pool is larger`;
  }
  if (inUse + limit.slots <= slots) return undefined;
  const taking = limit.slots === 1 ? '' : `, this stage takes ${limit.slots}`;
  return `the pool "${name}" is full: ${inUse} of ${slots} slots in use${taking}${by}`;
}

/** Of each key the attempt that has held it for the longest time, in words. */
async function readHolders(pool: pg.Pool, keys: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const { rows } = await pool.query<{ key: string; path: string; root_id: string }>(
    `select distinct on (one.entry ->> 'key') one.entry ->> 'key' as key, r.path, a.root_id
     from attempts a
     cross join lateral jsonb_array_elements(a.limits) as one(entry)
     join runs r on r.id = a.run_id
     where a.id in (select id from attempts where ${HOLDS}) and one.entry ->> 'key' = any($1::text[])
     order by one.entry ->> 'key', a.claimed_at, a.id`,
    [keys],
  );
  return new Map(rows.map(({ key, path, root_id }) => [key, `"${path}" of ${root_id}`]));
}
