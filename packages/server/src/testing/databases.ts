import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** One kind of PostgreSQL that the server's tests run on. */
export interface TestEngine {
  readonly name: string;
  /** Where it listens; undefined when it is not to be had here. */
  readonly url: string | undefined;
  /** Why there is no url. */
  readonly missing: string | undefined;
}

/** A place for one test: nothing in it, nobody else in it. */
export interface TestDatabase {
  readonly engine: TestEngine;
  /** Connection string of the database, for a server's `--database-url`. */
  readonly url: string;
  /** The same for `pg`, with the schema first in the search path. */
  readonly config: pg.ClientConfig;
  /** Unique name of a schema; it exists and is empty. */
  readonly schema: string;
  /** Closes every connection to a database of its own, and removes what the test made. */
  drop(): Promise<void>;
}

export const EMBEDDED_URL_VARIABLE = 'TRAINYARD_TEST_PG18';
export const DEBIAN_URL_VARIABLE = 'TRAINYARD_TEST_PG15';

/**
 * The engines of this test run, for `describe.each`. tests/setup/postgres.ts starts them once per run and
 * leaves their addresses in the environment; an engine that could not be started has no url but a reason.
 */
export function testDatabases(): readonly TestEngine[] {
  return [
    engine('PostgreSQL 18 (embedded)', EMBEDDED_URL_VARIABLE),
    engine('PostgreSQL 15 (Debian)', DEBIAN_URL_VARIABLE),
  ];
}

/** True where a missing engine is a failure and not a skipped suite. */
export function allEnginesRequired(): boolean {
  return (process.env['CI'] ?? '') !== '' || (process.env['TRAINYARD_REQUIRE_ALL'] ?? '') !== '';
}

/**
 * Makes an empty place on a shared server.
 *
 * @param options.engine one of `testDatabases()`; the embedded one if left out.
 * @param options.scope `schema` (a millisecond) shares the database, so that notifications and advisory
 *   locks of other tests are seen; `database` (tens of milliseconds) shares nothing but the processes.
 */
export async function testDatabase(
  options: { readonly engine?: TestEngine; readonly scope?: 'schema' | 'database' } = {},
): Promise<TestDatabase> {
  const chosen = options.engine ?? testDatabases()[0];
  if (chosen?.url === undefined) throw new Error(`no test database: ${chosen?.missing ?? 'no engine'}`);
  const shared = chosen.url;
  const name = `t_${randomBytes(8).toString('hex')}`;
  const ownDatabase = options.scope === 'database';
  const url = ownDatabase ? withDatabase(shared, name) : shared;
  if (ownDatabase) await run(shared, `create database ${name}`);
  await run(url, `create schema ${name}`);
  return {
    engine: chosen,
    url,
    config: { connectionString: url, options: `-c search_path=${name}` },
    schema: name,
    drop: () =>
      ownDatabase
        ? run(shared, `drop database if exists ${name} with (force)`)
        : run(shared, `drop schema if exists ${name} cascade`),
  };
}

/** Connection string for a server that listens on the unix socket in `host`. */
export function socketUrl(connection: {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}): string {
  const { host, port, user, database } = connection;
  return `postgres://${encodeURIComponent(user)}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
}

function engine(name: string, variable: string): TestEngine {
  const value = process.env[variable];
  if (value === undefined) {
    return { name, url: undefined, missing: `${variable} is not set; tests/setup/postgres.ts sets it` };
  }
  return value.startsWith('postgres')
    ? { name, url: value, missing: undefined }
    : { name, url: undefined, missing: value };
}

function withDatabase(url: string, database: string): string {
  return url.replace(/^([^:]+:\/\/[^/]*\/)[^?]*/, `$1${database}`);
}

async function run(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
