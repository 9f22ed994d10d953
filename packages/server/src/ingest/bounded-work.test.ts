import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Database } from '../store/database.ts';
import { describeDatabases } from '../testing/describe-databases.ts';
import { createIngest } from './append.ts';
import { readChart, readLatest, readLogBytes, readLogLines, readPoints } from './index.ts';
import { openTestStore, type TestStore } from './testing/test-store.ts';

const TABLES = ['streams', 'stream_chunks', 'metric_series', 'metric_chunks', 'attempts'];
const MEBIBYTE = 1024 * 1024;

describeDatabases('work per call', (engine) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await openTestStore(engine);
  });
  afterAll(() => store.close());

  it('reads bytes in proportion to the new ones, up to the end of a file of 100 MB', async () => {
    const attempt = await store.attempt();
    const padding = 'x'.repeat(2000);
    const lines = Array.from({ length: 500 }, (_, i) => `{"step":${i},"loss":${i},"note":"${padding}"}\n`);
    const block = Buffer.from(lines.join(''));
    const file = Buffer.concat(Array.from({ length: 100 }, () => block));
    expect(file.length).toBeGreaterThan(100_000_000);
    const database = await store.open();
    const received = countReceivedBytes(database);
    let most = 0;
    for (let offset = 0; offset < file.length; offset += MEBIBYTE) {
      // A new ingest each time, as after a restart: nothing in memory of what was parsed before.
      const before = received();
      const append = attempt.append('metrics', offset, file.subarray(offset, offset + MEBIBYTE));
      await createIngest({ database }).append(append);
      most = Math.max(most, received() - before);
    }
    // What comes back from the database is the half line before the append, in hexadecimal, and little else.
    expect(most).toBeGreaterThan(2000);
    expect(most).toBeLessThan(20_000);
    const points = await readPoints(store.database, attempt.runId);
    expect(points.get('loss')!.steps.length).toBe(500 * 100);
  });

  it('finds everything by an index', async () => {
    await fill(store);
    const database = await store.open();
    const attempt = await store.attempt();
    const before = await sequentialScans(store);
    const ingest = createIngest({ database });
    let offset = 0;
    for (let i = 0; i < 40; i++) {
      const text = `{"step":${i},"loss":1}\n{"st`;
      offset = (await ingest.append(attempt.append('metrics', offset, `${i === 0 ? '' : `ep":0}\n`}${text}`)))
        .size;
      await ingest.append(attempt.append('log', i * 2, 'a\n'));
    }
    await ingest.compactRun(attempt.runId);
    await readPoints(database, attempt.runId, { keys: ['loss'], firstStep: 3 });
    await readLatest(database, [attempt.runId]);
    await readChart(database, { runIds: [attempt.runId], keys: ['loss'], buckets: 10 });
    await readLogBytes(database, attempt.attemptId, -10, 100);
    await readLogLines(database, attempt.attemptId, 0, 100, true);
    await ingest.close();
    // One scan that must show up, so that nothing passes for want of statistics.
    await database.pool.query('select count(received_at) from stream_chunks');
    // A server process hands in its statistics at the latest when it ends, soon after the connection.
    await database.close();
    await expect
      .poll(() => sequentialScans(store))
      .toEqual({ ...before, stream_chunks: before['stream_chunks']! + 1 });
  });
});

/** Enough of other runs that the planner would never read a table from end to end by choice. */
async function fill(store: TestStore): Promise<void> {
  const { pool } = store.database;
  const rows = `generate_series(1, 20000) i`;
  const attempt = await store.attempt();
  await pool.query(
    `insert into attempts
       (id, run_id, root_id, number, epoch, node_index, status, queue, priority, spec, created_at)
     select 'att_' || i, run_id, root_id, i + 1, epoch, node_index, status, queue, priority, spec, created_at
     from attempts, ${rows} where id = $1`,
    [attempt.attemptId],
  );
  await pool.query(
    `insert into streams (attempt_id, stream, run_id, size) select 'att_' || i, 'log', 'run_' || i, 0 from ${rows}`,
  );
  await pool.query(
    `insert into stream_chunks (attempt_id, stream, "offset", bytes, received_at)
     select 'att_' || i, 'log', 0, 'x', now() from ${rows}`,
  );
  await pool.query(
    `insert into metric_series (run_id, key, first_step, last_step, last_attempt, last_value, last_time, count)
     select 'run_' || i, 'loss', 0, 1, 1, 1, 1, 1 from ${rows}`,
  );
  await pool.query(
    `insert into metric_chunks (series_id, attempt, first_step, last_step, n, first_value, first_time,
       last_value, last_time, codec, data)
     select id, 1, 0, 1, 1, 1, 1, 1, 1, 0, 'x' from metric_series`,
  );
  await pool.query(`analyze ${TABLES.join(', ')}`);
}

async function sequentialScans(store: TestStore): Promise<Record<string, number>> {
  await store.database.pool.query('select pg_stat_force_next_flush()');
  const { rows } = await store.database.pool.query<{ relname: string; seq_scan: number }>(
    `select relname, seq_scan from pg_stat_user_tables
     where schemaname = current_schema() and relname = any($1)`,
    [TABLES],
  );
  return Object.fromEntries(rows.map((row) => [row.relname, row.seq_scan]));
}

/** Counts the bytes that come from the database over all connections of a pool. */
function countReceivedBytes(database: Database): () => number {
  const sockets = new Set<Socket>();
  database.pool.on('acquire', (client) => {
    const { connection } = client as unknown as { connection: { stream: Socket } };
    sockets.add(connection.stream);
  });
  return () => [...sockets].reduce((sum, socket) => sum + socket.bytesRead, 0);
}
