import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIngest, readChart } from '../packages/server/src/ingest/index.ts';
import { openTestStore, type TestStore } from '../packages/server/src/ingest/testing/test-store.ts';
import { startEmbeddedPostgres } from '../packages/server/src/store/embedded/index.ts';
import { EMBEDDED_URL_VARIABLE, socketUrl } from '../packages/server/src/testing/databases.ts';
import { readRunTable } from '../packages/server/src/tracking/run-table.ts';
import { machineLine } from './report.ts';

/**
 * Charts of a long series, of what appends and compaction have left in the embedded database, and the table of the
 * latest values of many runs. Prints, asserts nothing. `node bench/charts.ts [--points N]`
 */
const LINES_PER_APPEND = 40_000;
const ROUNDS = 15;
const TABLE = { runs: 10_000, metrics: 200, columns: 5 };

async function main(): Promise<void> {
  const given = process.argv.indexOf('--points');
  const points = given < 0 ? 10_000_000 : Number(process.argv[given + 1]);
  const directory = await mkdtemp(join(tmpdir(), 'trainyard-bench-'));
  const server = await startEmbeddedPostgres({ dataDir: join(directory, 'postgres') });
  process.env[EMBEDDED_URL_VARIABLE] = socketUrl(server.connection);
  const store = await openTestStore();
  try {
    await measureCharts(store, points);
    await measureCharts(store, 100_000);
    await measureTable(store);
    console.log(machineLine());
  } finally {
    await store.close();
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function measureCharts(store: TestStore, points: number): Promise<void> {
  const runId = await write(store, points);
  const ranges: readonly (readonly [string, number, number])[] = [
    ['all of it', 0, points],
    ['a tenth', points * 0.45 + 7, points * 0.55 + 7],
    ['a hundredth', points * 0.8 + 3, points * 0.81 + 3],
    ['a thousandth', points * 0.3 + 3, points * 0.301 + 3],
  ];
  for (const buckets of [2000, 320]) {
    for (const [what, from, to] of ranges) {
      const range = { firstStep: Math.floor(from), lastStep: Math.floor(to) };
      let found = 0;
      const times = await timesOf(async () => {
        const [chart] = await readChart(store.database, {
          runIds: [runId],
          keys: ['loss'],
          buckets,
          ...range,
        });
        found = chart?.buckets.length ?? 0;
      });
      console.log(`  ${what}, at most ${buckets} buckets: ${found} of them, ${times}`);
    }
  }
}

async function write(store: TestStore, points: number): Promise<string> {
  const ingest = createIngest({ database: store.database });
  const attempt = await store.attempt();
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  let offset = 0;
  for (let step = 0; step < points; step += LINES_PER_APPEND) {
    const lines = Array.from(
      { length: Math.min(LINES_PER_APPEND, points - step) },
      (_, i) => `{"step":${step + i},"loss":${1 / (1 + (step + i) / 1e6) + Math.random() / 100}}\n`,
    );
    offset = (await ingest.append(attempt.append('metrics', offset, lines.join('')))).size;
  }
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - startedAt) / 1000;
  await ingest.compactRun(attempt.runId);
  await ingest.close();
  const { rows } = await store.database.pool.query<{ chunks: number; tiles: number }>(
    `select (select sum(octet_length(data))::float8 from metric_chunks c where c.series_id = s.id) as chunks,
      (select sum(octet_length(data))::float8 from metric_tiles t where t.series_id = s.id) as tiles
     from metric_series s where run_id = $1`,
    [attempt.runId],
  );
  const bytes = (size: number | null) => ((size ?? 0) / points).toFixed(1);
  console.log(
    `${points.toLocaleString('en')} points of one series, written in ${seconds.toFixed(1)} s with ` +
      `${(((user + system) * 1000) / points).toFixed(0)} ns of CPU a point in Node, lines made included; ` +
      `${bytes(rows[0]!.chunks)} bytes a point in chunks, ${bytes(rows[0]!.tiles)} in tiles:`,
  );
  return attempt.runId;
}

/** The latest values of some metrics of many runs that have many, in one answer. */
async function measureTable({ database }: TestStore): Promise<void> {
  const { runs, metrics, columns } = TABLE;
  await database.pool.query(
    `insert into metric_series (run_id, key, first_step, last_step, last_attempt, last_value, last_time, count, min, max)
     select 'run_table' || r, 'metric' || m, 0, 100, 1, r * m / 7.0, 1, 100, 0, r * m
     from generate_series(1, $1) r, generate_series(1, $2) m`,
    [runs, metrics],
  );
  await database.pool.query('vacuum analyze metric_series');
  const runIds = Array.from({ length: runs }, (_, run) => `run_table${run + 1}`);
  const fields = Array.from({ length: columns }, (_, column) => ({
    group: 'metric' as const,
    key: `metric${column * 7 + 1}`,
  }));
  let cells = 0;
  const times = await timesOf(async () => {
    const table = await readRunTable(database.kysely, runIds, fields);
    cells = table.flatMap(({ values }) => values).filter((value) => value !== null).length;
  });
  console.log(`latest values of ${columns} of ${metrics} metrics of ${runs} runs, ${cells} cells: ${times}`);
}

async function timesOf(work: () => Promise<void>): Promise<string> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedAt = performance.now();
    await work();
    times.push(performance.now() - startedAt);
  }
  times.sort((a, b) => a - b);
  return `p50 ${times[Math.floor(ROUNDS / 2)]!.toFixed(1)} ms, most ${times.at(-1)!.toFixed(1)} ms`;
}

await main();
