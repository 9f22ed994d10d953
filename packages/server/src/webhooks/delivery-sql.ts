import { type DeliveryStatus, type RunError, type RunStatus, WEBHOOK_LIMITS } from '@trainyard/protocol';
import { type Kysely, sql, type Transaction } from 'kysely';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Schema } from '../store/schema.ts';
import type { PostResult } from './post-message.ts';
import type { NextStep } from './retry-schedule.ts';

/** Events that one round makes messages of. */
export const NOTES_PER_ROUND = 500;

/** An event that was noted, with the run that it belongs to. */
export interface NoteRow {
  readonly webhook_ids: readonly string[];
  readonly root_id: string;
  readonly seq: number;
  readonly run_id: string;
  readonly path: string;
  readonly type: string;
  readonly at: Date;
  readonly data: Record<string, unknown>;
  readonly name: string;
  readonly status: RunStatus;
  readonly reason: string | null;
  readonly error: RunError | null;
  readonly counts: Partial<Record<RunStatus, number>>;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
}

export interface NewMessage {
  readonly id: string;
  readonly webhookId: string;
  readonly type: string;
  readonly rootId: string;
  readonly seq: number;
  readonly body: string;
}

/** A message that this server may send now. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly webhook_id: string;
  readonly body: string;
  readonly attempts: number;
  readonly url: string;
  readonly secret: Buffer;
}

/** Takes noted events away; only what is committed with their messages is gone. */
export async function takeNotes(trx: Transaction<Schema>): Promise<NoteRow[]> {
  const { rows } = await sql<NoteRow>`
    with taken as (
      delete from webhook_outbox
      where id in (select id from webhook_outbox order by id limit ${NOTES_PER_ROUND} for update skip locked)
      returning *
    )
    select n.webhook_ids, n.root_id, n.seq, n.run_id, n.type, n.at, n.data, r.path,
      t.name, t.status, t.counts, t.created_at, t.ended_at, root.reason, root.error, root.started_at
    from taken n
    join trees t on t.root_id = n.root_id
    join runs r on r.id = n.run_id
    join runs root on root.id = n.root_id
    order by n.id`.execute(trx);
  return rows;
}

/** Stores messages as pending; those beyond the limit of their webhook as failed, so that they are seen. */
export async function insertMessages(
  trx: Transaction<Schema>,
  messages: readonly NewMessage[],
  now: Date,
): Promise<void> {
  await sql`
    with pending as (
      select webhook_id, count(*) as n from webhook_deliveries
      where status = 'pending' and webhook_id = any(${messages.map(({ webhookId }) => webhookId)}::text[])
      group by webhook_id
    ), numbered as (
      select x.*, coalesce(p.n, 0) + row_number() over (partition by x."webhookId" order by x.id)
        > ${WEBHOOK_LIMITS.pendingPerWebhook} as is_over
      from json_to_recordset(${jsonbText(messages)}::json)
        as x(id text, "webhookId" text, type text, "rootId" text, seq bigint, body text)
      join webhooks w on w.id = x."webhookId"
      left join pending p on p.webhook_id = x."webhookId"
    )
    insert into webhook_deliveries
      (id, webhook_id, type, root_id, seq, body, status, next_attempt_at, error, created_at, ended_at)
    select id, "webhookId", type, "rootId", seq, body,
      case when is_over then 'failed' else 'pending' end,
      case when is_over then null else ${now}::timestamptz end,
      case when is_over then ${`not sent: ${WEBHOOK_LIMITS.pendingPerWebhook} messages wait already`} end,
      ${now}::timestamptz,
      case when is_over then ${now}::timestamptz end
    from numbered
    on conflict (webhook_id, root_id, seq) do nothing`.execute(trx);
}

/**
 * Claims due messages, of every webhook as many as it has room for, so that one with many holds up no other.
 * A claimed message is due again at `lostAt`: should this server die, another attempt follows then.
 */
export async function claimDue(
  db: Kysely<Schema>,
  claim: {
    readonly now: Date;
    readonly lostAt: Date;
    readonly perWebhook: number;
    /** Messages being sent by this server, by webhook. */
    readonly busy: ReadonlyMap<string, number>;
    readonly secretKeyId: string;
  },
): Promise<ClaimedDelivery[]> {
  const busy = jsonbText([...claim.busy].map(([id, n]) => ({ id, n })));
  const { rows } = await sql<ClaimedDelivery>`
    with due as (
      select d.id from webhooks w
      left join json_to_recordset(${busy}::json) as b(id text, n int) on b.id = w.id
      cross join lateral (
        select id from webhook_deliveries
        where webhook_id = w.id and status = 'pending' and next_attempt_at <= ${claim.now}::timestamptz
        order by next_attempt_at limit greatest(0, ${claim.perWebhook}::int - coalesce(b.n, 0))
        for update skip locked
      ) d
      where w.secret_key_id = ${claim.secretKeyId}
    )
    update webhook_deliveries d
    set attempts = d.attempts + 1, next_attempt_at = ${claim.lostAt}::timestamptz
    from due, webhooks w
    where d.id = due.id and w.id = d.webhook_id
    returning d.id, d.webhook_id, d.body, d.attempts, w.url, w.secret`.execute(db);
  return rows;
}

/** Records what came of an attempt, unless another attempt has begun meanwhile. */
export async function settleAttempt(
  db: Kysely<Schema>,
  { id, attempts }: Pick<ClaimedDelivery, 'id' | 'attempts'>,
  outcome: { readonly result: PostResult; readonly next: NextStep; readonly now: Date },
): Promise<void> {
  const { result, next, now } = outcome;
  const status: DeliveryStatus = next.status;
  await sql`
    update webhook_deliveries
    set status = ${status},
        next_attempt_at = ${next.nextAttemptAtMs === null ? null : new Date(next.nextAttemptAtMs)}::timestamptz,
        response_status = ${result.status}, response_body = ${result.body}, duration_ms = ${result.durationMs},
        error = ${describe(result)}, ended_at = ${status === 'pending' ? null : now}::timestamptz
    where id = ${id} and attempts = ${attempts} and status = 'pending'`.execute(db);
}

/** Gives an attempt back that was broken off because the server stops. */
export async function giveBack(
  db: Kysely<Schema>,
  { id, attempts }: Pick<ClaimedDelivery, 'id' | 'attempts'>,
  now: Date,
): Promise<void> {
  await sql`
    update webhook_deliveries set attempts = attempts - 1, next_attempt_at = ${now}::timestamptz
    where id = ${id} and attempts = ${attempts} and status = 'pending'`.execute(db);
}

/** Removes deliveries that ended before `before`, a limited number at a time. */
export async function removeEnded(db: Kysely<Schema>, before: Date): Promise<void> {
  await sql`
    delete from webhook_deliveries where id in (
      select id from webhook_deliveries where ended_at < ${before}::timestamptz order by ended_at limit 5000
      for update skip locked
    )`.execute(db);
}

function describe({ error, status }: PostResult): string | null {
  if (error !== null) return error;
  if (status !== null && status >= 200 && status < 300) return null;
  const isRedirect = status !== null && status >= 300 && status < 400;
  return `the receiver answered ${status}${isRedirect ? '; redirects are not followed' : ''}`;
}
