import { type Kysely, sql } from 'kysely';
import { extendAttemptLeases } from '../attempts/leases.ts';
import type { Schema } from '../store/schema.ts';

/** How long a server's ownership of its trees outlives its last renewal, and how often it renews. */
export const SERVER_LEASE_MS = 6000;
export const SERVER_RENEW_MS = 2000;
/** Trees that one take-over statement claims. */
const TAKE_OVER_BATCH = 100;

export interface Ownership {
  /** Registers this server. With `exclusive`, the database serves no other, so all older owners are gone. */
  register(): Promise<void>;
  /** Renews the lease of all its trees by renewing its own row. */
  renew(): Promise<void>;
  /** Claims unfinished trees without a live owner, each with a new epoch. */
  takeOver(): Promise<string[]>;
  /** Lets others take over at once. */
  release(): Promise<void>;
}

export function createOwnership(
  db: Kysely<Schema>,
  options: { readonly serverId: string; readonly exclusive: boolean },
): Ownership {
  const { serverId } = options;
  const leaseUntil = sql`now() + ${SERVER_LEASE_MS} * interval '1 millisecond'`;
  return {
    async register() {
      await db.transaction().execute(async (trx) => {
        await sql`select pg_advisory_xact_lock(hashtext('trainyard servers ' || current_schema()))`.execute(
          trx,
        );
        await sql`delete from servers where ${options.exclusive} or lease_until < now()`.execute(trx);
        const others = await sql`select 1 from servers limit 1`.execute(trx);
        await sql`insert into servers (id, lease_until) values (${serverId}, ${leaseUntil})`.execute(trx);
        // While no server ran, no agent could renew a lease: that must not count against its attempts.
        if (others.rows.length === 0) await extendAttemptLeases(trx);
      });
    },
    async renew() {
      await sql`
        insert into servers (id, lease_until) values (${serverId}, ${leaseUntil})
        on conflict (id) do update set lease_until = excluded.lease_until`.execute(db);
    },
    async takeOver() {
      const { rows } = await sql<{ root_id: string }>`
        update trees t set owner_id = ${serverId}, epoch = t.epoch + 1
        where t.root_id in (
          select o.root_id from trees o
          where o.ended_at is null and not o.is_external
            and not exists (select 1 from servers s where s.id = o.owner_id and s.lease_until > now())
          order by o.root_id limit ${TAKE_OVER_BATCH} for update skip locked)
        returning t.root_id`.execute(db);
      return rows.map((row) => row.root_id);
    },
    async release() {
      await sql`delete from servers where id = ${serverId}`.execute(db);
    },
  };
}
