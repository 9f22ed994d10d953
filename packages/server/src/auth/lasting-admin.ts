import { TrainyardError } from '@trainyard/protocol';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Schema } from '../store/schema.ts';

/** Tokens that the server makes for itself at each start; they do not count as configured users. */
export const BUILT_IN = 'built-in ';

/** Valid tokens that close a server to everybody without one: not the server's own, nor those of agents only. */
const OF_PEOPLE = sql`
  revoked_at is null and (expires_at is null or expires_at > now())
  and name not like ${`${BUILT_IN}%`} and scopes && array['admin', 'user', 'viewer', 'training']`;

/** True when somebody can log in with a token that is not the server's own. */
export async function hasUserTokens({ kysely }: { readonly kysely: Kysely<Schema> }): Promise<boolean> {
  const { rows } = await sql`select 1 from tokens where ${OF_PEOPLE} limit 1`.execute(kysely);
  return rows.length > 0;
}

/**
 * Makes or revokes a token, unless that would lock people out of the administration: while any of them has a token,
 * one with the scope admin is there that lasts at least as long. A token for agents only, one more administrator and
 * one person less change nothing of that. Changes are made one after the other, so that no two of them pass each
 * other's check.
 * @param change gives the scopes of the token
 * @throws TrainyardError ADMIN_TOKEN_REQUIRED, and nothing is changed
 */
export function changeTokens<T extends { readonly scopes: readonly string[] } | undefined>(
  kysely: Kysely<Schema>,
  doing: 'make' | 'revoke',
  change: (trx: Transaction<Schema>) => Promise<T>,
): Promise<T> {
  return kysely.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('trainyard tokens ' || current_schema(), 0))`.execute(
      trx,
    );
    const result = await change(trx);
    const isAdmin = result?.scopes.includes('admin') === true;
    const isHarmless =
      doing === 'make' ? isAdmin || result?.scopes.every((scope) => scope === 'agent') : !isAdmin;
    if (isHarmless) return result;
    const { hasAdmin, adminUntil } = await coverOf(trx);
    if (adminUntil === null) return result;
    throw new TrainyardError('ADMIN_TOKEN_REQUIRED', refusal(doing, hasAdmin ? adminUntil : undefined));
  });
}

/** `adminUntil` is null where all is well, else when the last token with the scope admin ends. */
async function coverOf(
  trx: Transaction<Schema>,
): Promise<{ readonly hasAdmin: boolean; readonly adminUntil: string | null }> {
  const { rows } = await sql<{ admin: string | null; is_covered: boolean | null }>`
    select to_char(admin at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as admin,
      others is null or admin >= others as is_covered
    from (
      select max(coalesce(expires_at, 'infinity')) filter (where 'admin' = any(scopes)) as admin,
        max(coalesce(expires_at, 'infinity')) filter (where not 'admin' = any(scopes)) as others
      from tokens where ${OF_PEOPLE}
    ) as ends`.execute(trx);
  const { admin, is_covered: isCovered } = rows[0]!;
  return { hasAdmin: admin !== null, adminUntil: isCovered === true ? null : (admin ?? '') };
}

function refusal(doing: 'make' | 'revoke', adminUntil: string | undefined): string {
  const first = 'trainyard tokens create --name NAME --scope admin';
  if (doing === 'revoke') {
    return (
      'This is the last token with the scope admin that lasts as long as the others do; without it nobody could ' +
      `administer this server. Make another one first (${first}), or revoke the others before.`
    );
  }
  if (adminUntil === undefined) {
    return (
      'The first token for people must have the scope admin: as soon as one exists every request needs a token, and ' +
      `nobody could make another one. Make it first: ${first}`
    );
  }
  return (
    `The last token with the scope admin ends at ${adminUntil}, before this one would; then nobody could administer ` +
    `this server. Let this one end before (--expires), or first make one that lasts: ${first}`
  );
}
