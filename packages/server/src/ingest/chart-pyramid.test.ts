import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inTransaction } from '../store/transaction.ts';
import { describeDatabases } from '../testing/describe-databases.ts';
import { createIngest } from './append.ts';
import { readChart, readPoints, toSeriesPoints, writePoints } from './index.ts';
import { sortPoints } from './points.ts';
import { bucketsOfPoints } from './testing/buckets-of-points.ts';
import { openTestStore, type TestAttempt, type TestStore } from './testing/test-store.ts';

/** Points that arrive together; most are many enough for a chunk of their own. */
const group = fc.record({
  from: fc.integer({ min: -30_000, max: 30_000 }),
  stride: fc.constantFrom(1, 1, 1, 3, 50),
  count: fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 1024, max: 1200 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 20 }) },
  ),
});
/** An attempt: mostly goes on where the group before it ended, sometimes anywhere. */
const attempt = fc.record({
  isInOrder: fc.boolean(),
  groups: fc.array(group, { minLength: 11, maxLength: 16 }),
  isEnded: fc.boolean(),
});
const range = fc.record({
  buckets: fc.constantFrom(1, 7, 100, 320, 2000),
  firstStep: fc.option(fc.integer({ min: -40_000, max: 40_000 }), { nil: undefined }),
  lastStep: fc.option(fc.integer({ min: -40_000, max: 60_000 }), { nil: undefined }),
});

describeDatabases('charts from what is summed up', (engine) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await openTestStore(engine);
  });
  afterAll(() => store.close());

  it('equal what all points give: any order, negative and repeated steps, attempts and ranges', async () => {
    let pyramids = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(attempt, { minLength: 1, maxLength: 3 }),
        fc.array(range, { minLength: 6, maxLength: 6 }),
        async (attempts, ranges) => {
          const runId = await write(store, attempts);
          pyramids += await countPyramids(store, runId);
          const all = (await readPoints(store.database, runId)).get('loss')!;
          for (const query of ranges) {
            const request = { runIds: [runId], keys: ['loss'], ...query };
            const [chart] = await readChart(store.database, request);
            expect(chart?.buckets ?? []).toEqual(bucketsOfPoints(all, query));
          }
        },
      ),
      { numRuns: 12 },
    );
    expect(pyramids).toBeGreaterThan(2);
  });

  it('grow while points arrive, and read few bytes of a long series', async () => {
    const ingest = createIngest({ database: store.database });
    const only = await store.attempt();
    for (let at = 0; at < 140; at += 1) {
      const crowded = await writeGroup(store, only, { from: at * 2048, stride: 1, count: 2048 }, at);
      ingest.compactSoon(crowded);
    }
    await ingest.close();
    const { rows } = await store.database.pool.query<{ through: number; chunks: number; tiles: number }>(
      `select p.through_id as through, (select count(*)::int4 from metric_chunks c where c.series_id = s.id
          and c.id > p.through_id) as chunks,
        (select sum(octet_length(data))::int4 from metric_tiles t where t.series_id = s.id) as tiles
       from metric_series s join metric_pyramids p on p.series_id = s.id where s.run_id = $1`,
      [only.runId],
    );
    expect(rows[0]!.chunks).toBeLessThan(40);
    // Less than what the points themselves take: five bytes each.
    expect(rows[0]!.tiles).toBeLessThan(140 * 2048 * 3);
    const all = (await readPoints(store.database, only.runId)).get('loss')!;
    const [chart] = await readChart(store.database, { runIds: [only.runId], keys: ['loss'], buckets: 320 });
    expect(chart!.buckets).toEqual(bucketsOfPoints(all, { buckets: 320 }));
  });

  it('are right where nothing is summed up any more, and sum it up again', async () => {
    const runId = await write(store, [{ isInOrder: true, isEnded: true, groups: groupsOf(12) }]);
    const query = { runIds: [runId], keys: ['loss'], buckets: 100 };
    const before = await readChart(store.database, query);
    expect(await countPyramids(store, runId)).toBe(1);
    const series = `(select id from metric_series where run_id = '${runId}')`;
    await store.database.pool.query(`delete from metric_tiles where series_id in ${series}`);
    await store.database.pool.query(`delete from metric_pyramids where series_id in ${series}`);
    // As an older version has left its chunks.
    await store.database.pool.query(
      `update metric_chunks set sum = null, nans = null, positives = null, negatives = null
       where series_id in ${series}`,
    );
    expect(await readChart(store.database, query)).toEqual(before);
    const ingest = createIngest({ database: store.database });
    await ingest.compactRun(runId);
    await ingest.close();
    expect(await countPyramids(store, runId)).toBe(1);
    expect(await readChart(store.database, query)).toEqual(before);
  });
});

type Group = { readonly from: number; readonly stride: number; readonly count: number };

async function write(
  store: TestStore,
  attempts: readonly { isInOrder: boolean; isEnded: boolean; groups: readonly Group[] }[],
): Promise<string> {
  const ingest = createIngest({ database: store.database });
  let clock = 0;
  let runId: string | undefined;
  for (const [index, { isInOrder, groups, isEnded }] of attempts.entries()) {
    const attempt = await store.attempt(runId === undefined ? {} : { runId, number: index + 1 });
    runId = attempt.runId;
    let next = groups[0]!.from;
    for (const each of groups) {
      await writeGroup(store, attempt, isInOrder ? { ...each, from: next } : each, clock, index + 1);
      clock += 10_000;
      next += each.count * each.stride;
    }
    if (isEnded) await ingest.compactRun(runId);
  }
  await ingest.close();
  return runId!;
}

function groupsOf(count: number): Group[] {
  return Array.from({ length: count }, () => ({ from: -3000, stride: 1, count: 1500 }));
}

/** Each point has a time of its own, so that first and last are never a matter of taste. */
function writeGroup(
  store: TestStore,
  { runId }: TestAttempt,
  { from, stride, count }: Group,
  clock: number,
  attemptNumber = 1,
): Promise<number[]> {
  const points = sortPoints({
    steps: Float64Array.from({ length: count }, (_, i) => from + i * stride),
    times: Float64Array.from({ length: count }, (_, i) => clock + i),
    values: Float64Array.from({ length: count }, (_, i) => valueAt(from + i)),
  });
  return inTransaction(store.database.pool, 'read committed', (client) =>
    writePoints(client, toSeriesPoints({ runId, attemptNumber }, new Map([['loss', points]])), 32),
  );
}

/** Eighths, whose sums are exact in any order; some are not finite. */
function valueAt(place: number): number {
  if (place % 97 === 0) return Number.NaN;
  if (place % 101 === 0) return Number.POSITIVE_INFINITY;
  return place % 103 === 0 ? Number.NEGATIVE_INFINITY : ((place * 7919) % 1009) / 8;
}

async function countPyramids(store: TestStore, runId: string): Promise<number> {
  const { rows } = await store.database.pool.query(
    'select 1 from metric_pyramids p join metric_series s on s.id = p.series_id where s.run_id = $1',
    [runId],
  );
  return rows.length;
}
