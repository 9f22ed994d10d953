import { TrainyardError } from '@trainyard/protocol';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import type { Schema } from './schema.ts';
import { isUniqueViolation } from './unique-violation.ts';

/** Oldest PostgreSQL whose SQL we use. */
const OLDEST_MAJOR = 15;
const INT8_OID = 20;
const KEYED_CONNECTIONS = 10;
// What may not be used is dear before PostgreSQL 18; such plans would be compiled at every run, which takes seconds.
// With short arrays as parameters PostgreSQL takes plans of their own for cheaper, and makes one at every run, which
// takes longer than the statement itself.
const BY_KEYS =
  '-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off -c plan_cache_mode=force_generic_plan';

export interface DatabaseOptions {
  /** Where PostgreSQL listens: a URL, or the parts for a socket directory. */
  readonly connection: string | { host: string; port: number; user: string; database: string };
  /** All our tables live in this schema; made when missing. */
  readonly schema: string;
  readonly maxConnections: number;
  /** Called when an idle connection breaks, for example because the database restarts. */
  readonly onConnectionError: (error: Error) => void;
}

export interface Database {
  readonly kysely: Kysely<Schema>;
  readonly pool: pg.Pool;
  /**
   * For statements that find a few rows of large tables by their keys. Their plans are kept from a time when the
   * tables were small, so here the planner is told not to read whole tables.
   */
  readonly keyedPool: pg.Pool;
  /** Options for a connection of one's own (LISTEN). */
  readonly clientConfig: pg.ClientConfig;
  readonly schema: string;
  close(): Promise<void>;
}

/**
 * Opens a pool on PostgreSQL and makes sure that the server is new enough and that our schema exists.
 * @throws TrainyardError DATABASE_UNREACHABLE, DATABASE_VERSION
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const clientConfig = toClientConfig(options);
  const pool = new pg.Pool({ ...clientConfig, max: options.maxConnections, idleTimeoutMillis: 60_000 });
  const keyedPool = new pg.Pool({
    ...clientConfig,
    options: `${clientConfig.options} ${BY_KEYS}`,
    max: KEYED_CONNECTIONS,
    idleTimeoutMillis: 60_000,
  });
  let isClosing = false;
  // An idle connection that breaks emits on the pool; without a listener the process would end. Those that
  // the database ends while we close are no news.
  for (const each of [pool, keyedPool]) {
    each.on('error', (error) => {
      if (!isClosing) options.onConnectionError(error);
    });
    // A connection that breaks while it is lent out emits too; the query that fails tells the borrower.
    each.on('connect', (client) => client.on('error', () => {}));
  }
  const kysely = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  let closed: Promise<unknown> | undefined;
  const close = async (): Promise<void> => {
    isClosing = true;
    closed ??= Promise.all([kysely.destroy(), keyedPool.end()]);
    await closed;
  };
  try {
    await checkServer(kysely);
    await createSchema(kysely, options.schema);
  } catch (error) {
    await close();
    throw error instanceof TrainyardError ? error : unreachable(options, error);
  }
  return { kysely, pool, keyedPool, clientConfig, schema: options.schema, close };
}

async function checkServer(kysely: Kysely<Schema>): Promise<void> {
  const { rows } = await sql<{
    version: string;
  }>`select current_setting('server_version_num') as version`.execute(kysely);
  const major = Math.floor(Number(rows[0]?.version) / 10_000);
  if (major < OLDEST_MAJOR) {
    throw new TrainyardError(
      'DATABASE_VERSION',
      `The database server is PostgreSQL ${major}; Trainyard needs ${OLDEST_MAJOR} or newer. Upgrade it or give another --database-url.`,
    );
  }
}

async function createSchema(kysely: Kysely<Schema>, schema: string): Promise<void> {
  try {
    await sql`create schema if not exists ${sql.id(schema)}`.execute(kysely);
  } catch (error) {
    // PostgreSQL looks first and creates then: of two servers that start at once the later one fails so.
    if (!isUniqueViolation(error)) throw error;
  }
}

function toClientConfig(options: DatabaseOptions): pg.ClientConfig {
  const base =
    typeof options.connection === 'string' ? { connectionString: options.connection } : options.connection;
  return {
    ...base,
    // Every name in our SQL is unqualified and resolved here, so each test can have a schema of its own.
    options: `-c search_path=${options.schema} -c statement_timeout=60000 -c idle_in_transaction_session_timeout=60000 -c timezone=UTC`,
    application_name: 'trainyard',
    connectionTimeoutMillis: 10_000,
    types: { getTypeParser: typeParser },
  };
}

/** int8 comes as text from the driver; our counts, offsets and sequences stay far below 2^53. */
function typeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  if (oid === INT8_OID && format !== 'binary') return Number;
  return pg.types.getTypeParser(oid, format as 'text');
}

function unreachable(options: DatabaseOptions, cause: unknown): TrainyardError {
  const where =
    typeof options.connection === 'string'
      ? options.connection.replace(/:[^:@/]*@/, ':***@')
      : `${options.connection.host}:${options.connection.port}`;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TrainyardError('DATABASE_UNREACHABLE', `The database at ${where} cannot be used: ${why}`, {
    cause,
  });
}
