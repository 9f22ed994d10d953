import { type Kysely, sql } from 'kysely';

/**
 * Pools, concurrency groups, and the order in which attempts are handed out.
 *
 * What an attempt holds is not stored: it holds its limits as long as its status says that an agent has it.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table pools (
    name text primary key,
    slots int not null check (slots >= 0),
    description text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`,

  // The time from which an attempt counts as waiting: a point of priority is worth an hour (3,600,000 ms).
  `alter table attempts
    add column rank bigint not null generated always as (
      (extract(epoch from created_at at time zone 'UTC') * 1000)::bigint - priority::bigint * 3600000) stored,
    add column limits jsonb,
    add column gate text collate "C",
    add column replacing_group text`,
  `drop index attempts_claimable`,
  `create index attempts_claimable on attempts (queue, rank, id) where status = 'queued' and gate is null`,
  // Attempts whose turn came when a limit had no room: aside of the others, by the limit they wait for.
  `create index attempts_gated on attempts (queue, gate, rank, id) where status = 'queued' and gate is not null`,
  `create index attempts_holding on attempts (id)
    where status in ('leased', 'running', 'paused') and limits is not null`,
  `create index attempts_waiting_for on attempts using gin (limits jsonb_path_ops)
    where status = 'queued' and limits is not null`,
  `create index attempts_replacing on attempts (replacing_group)
    where status = 'queued' and replacing_group is not null`,

  `alter table trees
    add column group_name text,
    add column group_limit int,
    add column group_conflict text,
    add column admitted_at timestamptz,
    add column group_cancelled_at timestamptz`,
  `create index trees_in_group on trees (group_name, root_id) where group_name is not null and ended_at is null`,
  `create index trees_awaiting_group on trees (group_name, root_id)
    where group_name is not null and ended_at is null and admitted_at is null`,
];
