import { uptime } from 'node:os';
import {
  AGENT_PROTOCOL,
  type HeldAttempt,
  type MachineTelemetry,
  type OutOfServiceSlot,
  type RunError,
} from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Schema } from '../store/schema.ts';
import { insertFacts } from './claim.ts';

/**
 * Renews the leases of what an agent holds; answers the attempts whose lease was renewed. Those on machines that
 * the agent cannot reach are marked, and nothing else happens to them.
 */
export async function renewLeases(
  db: Kysely<Schema>,
  agentId: string,
  held: readonly Pick<HeldAttempt, 'attemptId' | 'unreachableForMs'>[],
  telemetry?: MachineTelemetry,
  outOfService: readonly OutOfServiceSlot[] = [],
): Promise<string[]> {
  const seen = telemetry === undefined ? null : JSON.stringify(telemetry);
  await sql`
    update agents set last_seen_at = now(), telemetry = coalesce(${seen}::jsonb, telemetry),
      out_of_service = ${jsonbText(outOfService)}::jsonb
    where id = ${agentId}`.execute(db);
  if (held.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    with held as (
      -- In the order in which all others lock several attempts: else two could wait for each other.
      select a.id, x."unreachableForMs"
      from attempts a
      join jsonb_to_recordset(${jsonbText(held)}::jsonb) as x("attemptId" text, "unreachableForMs" bigint)
        on a.id = x."attemptId"
      where a.agent_id = ${agentId} and a.status in ('leased', 'running', 'paused')
      order by a.id for update of a
    )
    update attempts a
    set lease_until = now() + ${AGENT_PROTOCOL.leaseMs} * interval '1 millisecond',
        unreachable_since = case when held."unreachableForMs" is not null
          then coalesce(a.unreachable_since, now() - held."unreachableForMs" * interval '1 millisecond') end
    from held where a.id = held.id
    returning a.id`.execute(db);
  return rows.map((row) => row.id);
}

/** Between two looks at leases; longer, and nobody could renew one meanwhile. */
const LONGEST_GAP_MS = 10_000;

/** What one look at the leases found. */
export interface LeaseLook {
  /** Facts that were written. */
  readonly facts: number;
  /** How long server or database had stood still, if they had. */
  readonly stoodStillMs: number | null;
}

/** Looks at leases again and again, and knows when it looked last. */
export class LeaseJudge {
  readonly #db: Kysely<Schema>;
  readonly #longestGapMs: number;
  /** By the database's clock; null before the first look. */
  #lookedAt: string | null = null;
  /** Until then the time since this was made counts, by a clock that goes on while the machine is suspended. */
  readonly #madeAtMs = uptime() * 1000;

  constructor(db: Kysely<Schema>, options: { readonly longestGapMs?: number } = {}) {
    this.#db = db;
    this.#longestGapMs = options.longestGapMs ?? LONGEST_GAP_MS;
  }

  /**
   * Ends what nobody has renewed. After a time in which this server or its database stood still (stopped, swapped
   * out, its clock set forward) that judges nobody: no agent could renew a lease then, so all get a new one.
   */
  async look(): Promise<LeaseLook> {
    const { at, look } = await this.#db.transaction().execute(async (trx) => {
      // The time of the transaction is that of its begin: what stands still from here on is not judged.
      const { rows } = await sql<{ at: string; gap: number }>`
        select now()::text as at,
          coalesce(
            extract(epoch from now() - ${this.#lookedAt}::timestamptz) * 1000,
            ${uptime() * 1000 - this.#madeAtMs}::float8
          )::float8 as gap`.execute(trx);
      const { at, gap } = rows[0]!;
      if (gap <= this.#longestGapMs)
        return { at, look: { facts: await expireLeases(trx), stoodStillMs: null } };
      await extendAttemptLeases(trx);
      return { at, look: { facts: 0, stoodStillMs: Math.round(gap) } };
    });
    this.#lookedAt = at;
    return look;
  }
}

/** A full lease from now on for all attempts that agents hold. */
export async function extendAttemptLeases(db: Kysely<Schema>): Promise<void> {
  await sql`
    update attempts
    set lease_until = now() + ${AGENT_PROTOCOL.leaseMs} * interval '1 millisecond', unreachable_since = null
    where status in ('leased', 'running', 'paused')`.execute(db);
}

/**
 * Judges leases that ran out. First the attempt is only marked unreachable: a fault of the link kills
 * nothing. When the grace is over too, by which time the agent has ended the job itself, it is lost.
 * Returns how many facts were written.
 */
async function expireLeases(trx: Kysely<Schema>): Promise<number> {
  const { rows } = await sql<{
    root_id: string;
    node_index: number;
    number: number;
    status: string;
    was_unreachable: boolean;
    error: RunError | null;
  }>`
      with overdue as (
        select id, unreachable_since is not null as was_unreachable,
          lease_until + ${AGENT_PROTOCOL.lostGraceMs} * interval '1 millisecond' < now() as is_lost
        from attempts
        where status in ('leased', 'running', 'paused') and lease_until < now()
        order by id limit 1000 for update skip locked
      )
      update attempts a
      set unreachable_since = coalesce(a.unreachable_since, now()),
          status = case when o.is_lost then 'lost' else a.status end,
          ended_at = case when o.is_lost then now() else null end,
          error = case when not o.is_lost then a.error
            when a.target is null then ${JSON.stringify(LOST)}::jsonb
            else jsonb_set(${JSON.stringify(LOST)}::jsonb, '{message}', to_jsonb(${LOST.message} ||
              ' Its program may still run on ' || (a.target->>'address') || ', in ' || (a.target->>'dir') || '.')) end
      from overdue o
      where a.id = o.id and (o.is_lost or not o.was_unreachable)
      returning a.root_id, a.node_index, a.number, a.status, a.error, o.was_unreachable`.execute(trx);
  const at = Date.now();
  const facts = rows.map((row) => {
    const subject = { node: row.node_index, attempt: row.number, at };
    const event =
      row.status === 'lost' ? lostFact(subject, row.error ?? LOST) : { kind: 'unreachable', ...subject };
    return { root_id: row.root_id, event };
  });
  await insertFacts(trx, facts);
  return facts.length;
}

/** What the tree is told of an attempt that has ended without a report. */
export function lostFact(subject: { node: number; attempt: number; at: number }, error: RunError) {
  return {
    kind: 'finished',
    ...subject,
    outcome: 'lost',
    exitCode: null,
    signal: null,
    error,
    outputs: null,
    datasets: [],
  };
}

const LOST: RunError = {
  code: 'lost',
  class: 'lost',
  message: 'The agent stopped answering; its lease and the grace after it ran out.',
};
