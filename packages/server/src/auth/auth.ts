import { isIP } from 'node:net';
import { newId, type TokenId, TrainyardError } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { BUILT_IN, changeTokens, hasUserTokens } from './lasting-admin.ts';
import { hashToken, newSecretToken } from './secret-token.ts';

/** What a token may do. `admin` may do everything. */
export const TOKEN_SCOPES = {
  admin: 'Everything, including tokens.',
  user: 'Read, submit and cancel runs.',
  viewer: 'Read.',
  agent: 'Register as an agent and take work; nothing else.',
  training: 'The older training API, for the jobs of its owner.',
} as const;
export type TokenScope = keyof typeof TOKEN_SCOPES;

/** What a route asks for. */
export type Access = 'public' | 'read' | 'write' | 'admin' | 'agent' | 'watch' | 'train' | 'pull';

const ALLOWED: Readonly<Record<Exclude<Access, 'public'>, readonly TokenScope[]>> = {
  // Not agents: one has what it runs from its own work, by the token of each attempt.
  read: ['admin', 'user', 'viewer'],
  write: ['admin', 'user'],
  admin: ['admin'],
  agent: ['admin', 'agent'],
  // Of the older training API: who may look at jobs, control them, and take them. See job-owner.ts for whose.
  watch: ['admin', 'user', 'viewer', 'training'],
  train: ['admin', 'user', 'training'],
  pull: ['admin', 'agent', 'training'],
};

const CACHE_MS = 5000;

export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  readonly lastUsedAt: string | null;
}

/** Whom a request comes from. */
export interface TokenHolder {
  /** Of the token; "open server" where nobody needs one, "local administrator" for the server's own. */
  readonly name: string;
  readonly scopes: readonly string[];
  /** Whose jobs are made with it; null for the server's own. */
  readonly owner: string | null;
  /** The server is open, so whoever reaches it may do everything. */
  readonly isTrusted: boolean;
}

export interface Auth {
  /** True when no token for people exists: requests need none, if the server is reached over loopback. */
  isOpen(): Promise<boolean>;
  /** @throws TrainyardError UNAUTHENTICATED, FORBIDDEN, HOST_NOT_ALLOWED */
  check(
    request: { token: string | undefined; host: string | undefined; origin: string | undefined },
    access: Access,
  ): Promise<void>;
  /** The name of a token that was checked, for notes of who did something; null for the server's own. */
  nameOf(token: string): Promise<string | null>;
  /** Whose request it is, for decisions that not everybody may make. The request was checked before. */
  holderOf(token: string | undefined): Promise<TokenHolder>;
  /** @throws TrainyardError ADMIN_TOKEN_REQUIRED when people have tokens but none to administer with */
  createToken(input: {
    name: string;
    scopes: readonly TokenScope[];
    expiresInMs?: number | undefined;
    /** Whose jobs are made with it, and may be worked on with it; default: the token's name. */
    owner?: string | undefined;
  }): Promise<{ id: TokenId; token: string }>;
  /** A token for the server's own agent or command line; replaces the one of the last start. */
  createBuiltInToken(name: string, scope: TokenScope): Promise<string>;
  listTokens(): Promise<TokenInfo[]>;
  /** @throws TrainyardError NOT_FOUND, ADMIN_TOKEN_REQUIRED as above */
  revokeToken(id: string): Promise<void>;
  /** Calls back when tokens were made or revoked here; gives the function that ends it. */
  onChange(listener: () => void): () => void;
}

export function createAuth({ database, isLoopback }: { database: Database; isLoopback: boolean }): Auth {
  const { kysely } = database;
  const cache = new Map<string, { scopes: readonly string[]; untilMs: number }>();
  const listeners = new Set<() => void>();
  let openCache: { isOpen: boolean; untilMs: number } | undefined;

  const insert = async (
    connection: Kysely<Schema>,
    name: string,
    scopes: readonly string[],
    expiresInMs: number | undefined,
    owner: string | null,
  ) => {
    const { token, hash } = newSecretToken(scopes.includes('training') ? 'wak' : 'tyu');
    const id = newId('tok');
    const expiresAt = expiresInMs === undefined ? null : new Date(Date.now() + expiresInMs);
    await connection
      .insertInto('tokens')
      .values({ id, name, hash, scopes: [...scopes], expires_at: expiresAt, owner })
      .execute();
    return { id, token, scopes };
  };
  const announce = (): void => {
    openCache = undefined;
    for (const listener of listeners) listener();
  };

  const scopesOf = async (token: string): Promise<readonly string[] | undefined> => {
    const hash = hashToken(token);
    const key = hash.toString('base64');
    const cached = cache.get(key);
    if (cached !== undefined && cached.untilMs > Date.now()) return cached.scopes;
    const { rows } = await sql<{ scopes: string[]; expires_at: Date | null }>`
      update tokens set last_used_at = now()
      where hash = ${hash} and revoked_at is null and (expires_at is null or expires_at > now())
      returning scopes, expires_at`.execute(kysely);
    if (rows[0] === undefined) return undefined;
    const { scopes, expires_at: expiresAt } = rows[0];
    if (cache.size > 10_000) cache.clear();
    const expiresAtMs = expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
    cache.set(key, { scopes, untilMs: Math.min(Date.now() + CACHE_MS, expiresAtMs) });
    return scopes;
  };

  const isOpen = async (): Promise<boolean> => {
    if (!isLoopback) return false;
    if (openCache !== undefined && openCache.untilMs > Date.now()) return openCache.isOpen;
    openCache = { isOpen: !(await hasUserTokens(database)), untilMs: Date.now() + CACHE_MS };
    return openCache.isOpen;
  };

  return {
    isOpen,
    async check({ token, host, origin }, access) {
      if (access === 'public') return;
      if (token !== undefined) {
        const scopes = await scopesOf(token);
        if (scopes === undefined) {
          throw new TrainyardError('UNAUTHENTICATED', 'The token is unknown, expired or revoked.');
        }
        if (scopes.some((scope) => (ALLOWED[access] as readonly string[]).includes(scope))) return;
        throw new TrainyardError(
          'FORBIDDEN',
          `The token has the scopes ${scopes.join(', ')}; this needs one of ${ALLOWED[access].join(', ')}.`,
        );
      }
      if (!(await isOpen())) {
        throw new TrainyardError(
          'UNAUTHENTICATED',
          'This server needs a token: set TRAINYARD_TOKEN, or send "Authorization: Bearer …".',
        );
      }
      checkLoopback(host, origin);
    },
    async nameOf(token) {
      const hash = hashToken(token);
      const row = await kysely
        .selectFrom('tokens')
        .select('name')
        .where('hash', '=', hash)
        .executeTakeFirst();
      return row === undefined || row.name.startsWith(BUILT_IN) ? null : row.name;
    },
    async holderOf(token) {
      if (await isOpen()) return { name: 'open server', scopes: [], owner: null, isTrusted: true };
      const row = await kysely
        .selectFrom('tokens')
        .select(['name', 'scopes', 'owner'])
        .where('hash', '=', hashToken(token ?? ''))
        .executeTakeFirst();
      if (row === undefined) {
        throw new TrainyardError('UNAUTHENTICATED', 'The token is unknown, expired or revoked.');
      }
      const name = row.name.startsWith(BUILT_IN) ? 'local administrator' : row.name;
      return { name, scopes: row.scopes, owner: row.owner, isTrusted: false };
    },
    async createToken({ name, scopes, expiresInMs, owner = name }) {
      if (name.startsWith(BUILT_IN)) {
        throw new TrainyardError('INVALID_REQUEST', `A token's name cannot start with "${BUILT_IN}".`);
      }
      const { id, token } = await changeTokens(kysely, 'make', (trx) =>
        insert(trx, name, scopes, expiresInMs, owner),
      );
      announce();
      return { id, token };
    },
    async createBuiltInToken(name, scope) {
      await kysely
        .deleteFrom('tokens')
        .where('name', '=', BUILT_IN + name)
        .execute();
      const { token } = await insert(kysely, BUILT_IN + name, [scope], undefined, null);
      announce();
      return token;
    },
    async listTokens() {
      const rows = await kysely
        .selectFrom('tokens')
        .select(['id', 'name', 'scopes', 'created_at', 'expires_at', 'revoked_at', 'last_used_at'])
        .orderBy('created_at', 'desc')
        .limit(1000)
        .execute();
      return rows.map((row) => ({
        id: row.id,
        name: row.name,
        scopes: row.scopes,
        createdAt: row.created_at.toISOString(),
        expiresAt: row.expires_at?.toISOString() ?? null,
        revokedAt: row.revoked_at?.toISOString() ?? null,
        lastUsedAt: row.last_used_at?.toISOString() ?? null,
      }));
    },
    async revokeToken(id) {
      const revoked = await changeTokens(kysely, 'revoke', (trx) =>
        trx
          .updateTable('tokens')
          .set({ revoked_at: new Date() })
          .where('id', '=', id)
          .where('revoked_at', 'is', null)
          .returning('scopes')
          .executeTakeFirst(),
      );
      if (revoked === undefined) throw new TrainyardError('NOT_FOUND', `There is no valid token ${id}.`);
      cache.clear();
      announce();
    },
    onChange(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true;
  return isIP(name) === 4 && name.startsWith('127.');
}

/**
 * An open server trusts whoever reaches it, so a web page must not reach it through the user's browser:
 * not by a name that resolves to loopback (the Host header gives that away), nor from another origin.
 */
function checkLoopback(host: string | undefined, origin: string | undefined): void {
  const addressed = hostName(host === undefined ? undefined : `http://${host}`);
  if (addressed === undefined || !isLoopbackHost(addressed)) {
    throw new TrainyardError(
      'HOST_NOT_ALLOWED',
      `This open server answers on loopback only, not as "${host ?? ''}".`,
    );
  }
  if (origin !== undefined && origin !== 'null' && new URL(`http://${host}`).host !== safeHost(origin)) {
    throw new TrainyardError('HOST_NOT_ALLOWED', `Requests from pages of ${origin} are not allowed.`);
  }
  if (origin === 'null')
    throw new TrainyardError('HOST_NOT_ALLOWED', 'Requests from opaque origins are not allowed.');
}

function hostName(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined;
  return new URL(url).hostname;
}

function safeHost(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined;
}
