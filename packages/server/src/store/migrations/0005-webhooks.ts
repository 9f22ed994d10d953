import { type Kysely, sql } from 'kysely';

/**
 * Webhooks out (subscriptions and their messages) and in (triggers of pipelines). Events become messages in
 * two steps: a trigger notes events that some webhook asks for in the transaction that stores them, whoever
 * writes it; the sender turns notes into messages and removes them in one transaction.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table webhooks (
    id text primary key,
    url text not null,
    events text[] not null,
    event_types text[] not null,
    pipeline text,
    secret bytea not null,
    secret_key_id text not null,
    created_at timestamptz not null
  )`,

  `create table webhook_outbox (
    id bigint generated always as identity primary key,
    webhook_ids text[] not null,
    root_id text not null,
    seq bigint not null,
    run_id text not null,
    type text not null,
    at timestamptz not null,
    data jsonb not null
  )`,

  `create table webhook_deliveries (
    id text primary key,
    webhook_id text not null references webhooks on delete cascade,
    type text not null,
    root_id text,
    seq bigint,
    body text not null,
    status text not null,
    attempts int not null default 0,
    next_attempt_at timestamptz,
    response_status int,
    response_body text,
    error text,
    duration_ms int,
    created_at timestamptz not null,
    ended_at timestamptz,
    unique (webhook_id, root_id, seq)
  ) with (fillfactor = 80)`,
  `create index webhook_deliveries_due on webhook_deliveries (webhook_id, next_attempt_at) where status = 'pending'`,
  `create index webhook_deliveries_by_webhook on webhook_deliveries (webhook_id, id desc)`,
  `create index webhook_deliveries_ended on webhook_deliveries (ended_at) where ended_at is not null`,

  // Which webhooks get the event is decided here, as of the event's own transaction, and refined later.
  `create function note_events_for_webhooks() returns trigger language plpgsql as $$
  begin
    insert into webhook_outbox (webhook_ids, root_id, seq, run_id, type, at, data)
    select w.ids, e.root_id, e.seq, e.run_id, e.type, e.at, e.data
    from new_events e
    join (
      select t.type, array_agg(w.id) as ids from webhooks w, unnest(w.event_types) as t(type) group by t.type
    ) w on w.type = e.type;
    return null;
  end $$`,
  `create trigger note_events_for_webhooks after insert on events
    referencing new table as new_events for each statement execute function note_events_for_webhooks()`,

  `create table triggers (
    id text primary key,
    name text not null unique,
    pipeline text not null,
    version int,
    params jsonb not null,
    condition text,
    secret bytea not null,
    secret_key_id text not null,
    created_at timestamptz not null,
    last_run_id text,
    last_run_at timestamptz
  )`,
];
