import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AGENT_PROTOCOL } from '@trainyard/protocol';
import { createIngest, type Ingest, readChart } from '../packages/server/src/ingest/index.ts';
import { openTestStore, type TestStore } from '../packages/server/src/ingest/testing/test-store.ts';
import { startEmbeddedPostgres } from '../packages/server/src/store/embedded/index.ts';
import { EMBEDDED_URL_VARIABLE, socketUrl } from '../packages/server/src/testing/databases.ts';
import { logLines } from './log-lines.ts';

/**
 * Metric points per second through `append()` on the embedded database with its real settings, and what a
 * point costs on disk. Prints, asserts nothing. `node bench/ingest.ts [--points N] [--quick]`
 */
/** As an agent sends when it is behind. */
const APPEND_BYTES = 1024 * 1024;
const KEYS = ['loss', 'accuracy', 'grad_norm', 'lr', 'tokens_per_second', 'gpu_memory', 'kl', 'entropy'];
const STREAMS = 8;

/** What programs write, by how their numbers were made. */
const SHAPES: Readonly<Record<string, (i: number) => number>> = {
  'float64, all digits': (i) => 1 / (1 + i / 1000) + Math.random() / 100,
  'float32, as torch gives them': (i) => Math.fround(1 / (1 + i / 1000) + Math.random() / 100),
  '4 decimals': (i) => Math.round((1 / (1 + i / 1000) + Math.random() / 100) * 1e4) / 1e4,
};

async function main(): Promise<void> {
  const given = process.argv.indexOf('--points');
  const usual = process.argv.includes('--quick') ? 400_000 : 4_000_000;
  const points = given < 0 ? usual : Number(process.argv[given + 1]);
  const directory = await mkdtemp(join(tmpdir(), 'trainyard-bench-'));
  const server = await startEmbeddedPostgres({ dataDir: join(directory, 'postgres') });
  process.env[EMBEDDED_URL_VARIABLE] = socketUrl(server.connection);
  try {
    for (const [shape, value] of Object.entries(SHAPES)) {
      await measure(`${shape}, 1 stream`, points, 1, value);
      await measure(`${shape}, ${STREAMS} streams`, points, STREAMS, value);
    }
    for (const streams of [1, STREAMS])
      await measureLog(streams, process.argv.includes('--quick') ? 200 : 1000);
    await measureSmallAppends();
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function measure(
  title: string,
  points: number,
  streams: number,
  value: (i: number) => number,
): Promise<void> {
  const store = await openTestStore();
  const ingest = createIngest({ database: store.database });
  const file = makeFile(points / streams, value);
  const attempts = await Promise.all(Array.from({ length: streams }, () => store.attempt()));
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  await Promise.all(attempts.map((attempt) => send(ingest, attempt, file)));
  const seconds = (performance.now() - startedAt) / 1000;
  const used = process.cpuUsage(cpu);
  for (const attempt of attempts) await ingest.compactRun(attempt.runId);
  await ingest.close();
  const total = Math.floor(points / streams / KEYS.length) * KEYS.length * streams;
  const chart = await chartMs(store, attempts[0]!.runId);
  console.log(
    `${title}: ${Math.round(total / seconds).toLocaleString('en')} points/s ` +
      `(${Math.round((file.length * streams) / seconds / 1e6)} MB/s of lines, ` +
      `${Math.round((used.user + used.system) / (total / 1000))} ns of CPU a point in Node), ` +
      `${(await perPoint(store, 'metric_chunks', total)).toFixed(1)} bytes a point in chunks, ` +
      `${(await perPoint(store, 'stream_chunks', total)).toFixed(1)} as sent; chart of one run ${chart} ms`,
  );
  await store.close();
}

/** Output of jobs that write as much as is taken, in appends of the largest size. */
async function measureLog(streams: number, megabytes: number): Promise<void> {
  const store = await openTestStore();
  const ingest = createIngest({ database: store.database });
  const part = logLines(AGENT_PROTOCOL.maxAppendBytes);
  const rounds = Math.floor((megabytes * 1e6) / streams / part.length);
  const attempts = await Promise.all(Array.from({ length: streams }, () => store.attempt()));
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  await Promise.all(
    attempts.map(async (attempt) => {
      for (let at = 0; at < rounds; at += 1)
        await ingest.append(attempt.append('log', at * part.length, part));
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const used = process.cpuUsage(cpu);
  await ingest.close();
  const stored = rounds * part.length * streams;
  console.log(
    `log, ${streams} streams: ${Math.round(stored / seconds / 1e6)} MB/s, ` +
      `${((used.user + used.system) / (stored / 1e6) / 1000).toFixed(1)} ms of CPU a MB in Node, ` +
      `${Math.round(100 * (await perPoint(store, 'stream_chunks', stored)))} % of its size on disk`,
  );
  await store.close();
}

/** Many jobs that log a line a second: every append is one line. */
async function measureSmallAppends(): Promise<void> {
  const jobs = 1000;
  const linesPerJob = 40;
  const keys = 20;
  const store = await openTestStore();
  const ingest = createIngest({ database: store.database });
  const attempts = [];
  for (let i = 0; i < jobs; i++) attempts.push(await store.attempt());
  const entries = Array.from({ length: keys }, (_, i) => `"key${i}":${Math.random()}`);
  const startedAt = performance.now();
  await Promise.all(
    attempts.map(async (attempt) => {
      let offset = 0;
      for (let step = 0; step < linesPerJob; step++) {
        const line = `{"step":${step},"timestamp":${Date.now() / 1000},${entries}}\n`;
        offset = (await ingest.append(attempt.append('metrics', offset, line))).size;
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  await ingest.close();
  const compactedSeconds = (performance.now() - startedAt) / 1000;
  const appends = jobs * linesPerJob;
  console.log(
    `${jobs} jobs, one line of ${keys} keys an append: ${Math.round(appends / seconds).toLocaleString('en')} appends/s, ` +
      `${Math.round((appends * keys) / seconds).toLocaleString('en')} points/s; with compaction ` +
      `${Math.round((appends * keys) / compactedSeconds).toLocaleString('en')} points/s`,
  );
  await store.close();
}

async function send(
  ingest: Ingest,
  attempt: Awaited<ReturnType<TestStore['attempt']>>,
  file: Buffer,
): Promise<void> {
  for (let offset = 0; offset < file.length; offset += APPEND_BYTES) {
    await ingest.append(attempt.append('metrics', offset, file.subarray(offset, offset + APPEND_BYTES)));
  }
}

function makeFile(points: number, value: (i: number) => number): Buffer {
  const lines: string[] = [];
  for (let step = 0; step < Math.floor(points / KEYS.length); step++) {
    const entries = KEYS.map((key) => `"${key}":${value(step)}`);
    lines.push(
      `{"step":${step},"timestamp":${1_760_000_000 + step / 50 + Math.random() / 100},${entries}}\n`,
    );
  }
  return Buffer.from(lines.join(''));
}

async function perPoint(store: TestStore, table: string, points: number): Promise<number> {
  const { rows } = await store.database.pool.query<{ size: number }>(
    'select pg_total_relation_size($1::regclass) as size',
    [table],
  );
  return rows[0]!.size / points;
}

async function chartMs(store: TestStore, runId: string): Promise<number> {
  const startedAt = performance.now();
  await readChart(store.database, { runIds: [runId], keys: KEYS, buckets: 1000 });
  return Math.round(performance.now() - startedAt);
}

await main();
