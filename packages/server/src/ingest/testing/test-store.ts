import { randomBytes } from 'node:crypto';
import type { StreamName } from '@trainyard/protocol';
import { type Database, openDatabase } from '../../store/database.ts';
import { migrate } from '../../store/migrate.ts';
import { type TestEngine, testDatabase } from '../../testing/databases.ts';
import type { Append } from '../append.ts';

/** An attempt to append to; `append` fills in what does not change. */
export interface TestAttempt extends Pick<Append, 'attemptId' | 'runId' | 'rootId' | 'attemptNumber'> {
  append(stream: StreamName, offset: number, bytes: Buffer | string): Append;
}

export interface TestStore {
  readonly database: Database;
  /** Another pool on the same schema, as another server would have. */
  open(): Promise<Database>;
  /** A job run with one running attempt; with `runId`, the next attempt of that run. */
  attempt(options?: { runId?: string; number?: number; status?: string }): Promise<TestAttempt>;
  close(): Promise<void>;
}

/** A migrated schema of its own on one engine. */
export async function openTestStore(engine?: TestEngine): Promise<TestStore> {
  const place = await testDatabase(engine === undefined ? {} : { engine });
  const opened: Database[] = [];
  async function open(): Promise<Database> {
    const database = await openDatabase({
      connection: place.url,
      schema: place.schema,
      maxConnections: 4,
      onConnectionError: () => {},
    });
    opened.push(database);
    return database;
  }
  const database = await open();
  await migrate(database);
  return {
    database,
    open,
    attempt: (options = {}) => makeAttempt(database, options),
    async close() {
      await Promise.all(opened.map((each) => each.close()));
      await place.drop();
    },
  };
}

/** A job run with one attempt; with `runId`, the next attempt of that run. */
export async function makeAttempt(
  database: Database,
  options: { runId?: string; number?: number; status?: string },
): Promise<TestAttempt> {
  const runId = options.runId ?? `run_${randomBytes(8).toString('hex')}`;
  const attemptId = `att_${randomBytes(8).toString('hex')}`;
  const attemptNumber = options.number ?? 1;
  const now = new Date().toISOString();
  if (options.runId === undefined) {
    await database.kysely
      .insertInto('runs')
      .values({
        id: runId,
        root_id: runId,
        parent_id: null,
        node_index: 0,
        depth: 0,
        kind: 'job',
        name: 'train',
        path: '',
        depends_on: [],
        status: 'running',
        reason: null,
        params: '{}',
        created_at: now,
      })
      .execute();
  }
  await database.kysely
    .insertInto('attempts')
    .values({
      id: attemptId,
      run_id: runId,
      root_id: runId,
      node_index: 0,
      number: attemptNumber,
      epoch: attemptNumber,
      status: (options.status ?? 'running') as 'running',
      queue: 'default',
      priority: 0,
      gpus: 0,
      spec: '{}',
      agent_id: null,
      claim_request: null,
      token_hash: null,
      pid: null,
      exit_code: null,
      signal: null,
      cleanup_error: null,
      created_at: now,
    })
    .execute();
  await database.kysely.updateTable('runs').set({ attempt: attemptNumber }).where('id', '=', runId).execute();
  const identity = { attemptId, runId, rootId: runId, attemptNumber };
  return {
    ...identity,
    append: (stream, offset, bytes) => ({
      ...identity,
      stream,
      offset,
      bytes: typeof bytes === 'string' ? Buffer.from(bytes) : bytes,
    }),
  };
}
