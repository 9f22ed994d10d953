import type { ChartAxis } from '@trainyard/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { createIngest } from './append.ts';
import { readChart, readPoints } from './index.ts';
import { bucketsOfPoints } from './testing/buckets-of-points.ts';
import { openTestStore, type TestStore } from './testing/test-store.ts';

interface Line {
  readonly step: number;
  readonly value: number;
}

const value = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }).map((n) => n / 8),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);
/** Appends of an attempt: steps mostly go up, sometimes back. */
const appends = fc.array(
  fc.array(fc.record({ step: fc.oneof(fc.nat(200), fc.nat(100_000)), value }), {
    minLength: 1,
    maxLength: 60,
  }),
  { minLength: 1, maxLength: 6 },
);

describeDatabases('charts', (engine) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await openTestStore(engine);
  });
  afterAll(() => store.close());

  it('equal what all points give, for any series, attempts, ranges and numbers of buckets', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(appends, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 50 }),
        fc.option(fc.integer({ min: -600, max: 300 }), { nil: undefined }),
        fc.option(fc.nat(100_000), { nil: undefined }),
        fc.boolean(),
        async (attempts, buckets, firstStep, lastStep, compact) => {
          const runId = await write(store, attempts, compact);
          const request = { runIds: [runId], keys: ['loss', 'none'], buckets, firstStep, lastStep };
          const charts = await readChart(store.database, request);
          const all = (await readPoints(store.database, runId)).get('loss')!;
          expect(charts[0]?.buckets ?? []).toEqual(bucketsOfPoints(all, { buckets, firstStep, lastStep }));
          expect(charts.length).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('use the same buckets for all series and keep their number in bounds', async () => {
    const long = await write(store, [[line(0, 5000)]], true);
    const short = await write(store, [[line(100, 200)]], true);
    const charts = await readChart(store.database, { runIds: [long, short], keys: ['loss'], buckets: 100 });
    const byRun = new Map(charts.map((chart) => [chart.runId, chart.buckets]));
    expect(byRun.get(long)!.length).toBe(79);
    expect(byRun.get(short)!.map((bucket) => bucket.firstStep)).toEqual([100, 128, 192]);
  });

  it('give each bucket its place on the axis, also in the middle of an epoch', async () => {
    const attempt = await store.attempt();
    const ingest = createIngest({ database: store.database });
    const lines = Array.from({ length: 100 }, (_, step) => {
      const epoch = step % 25 === 0 ? `"epoch":${step / 25},` : '';
      return `{"step":${step},"timestamp":${1_700_000_000 + step},${epoch}"loss":1}\n`;
    });
    await ingest.append(attempt.append('metrics', 0, lines.join('')));
    await ingest.close();
    const query = { runIds: [attempt.runId], keys: ['loss'], buckets: 4, firstStep: 30 };
    const places = async (x: ChartAxis) => {
      const [chart] = await readChart(store.database, { ...query, x });
      return chart!.buckets.map(({ firstX, lastX }) => [firstX, lastX]);
    };
    expect(await places('step')).toEqual([
      [30, 31],
      [32, 63],
      [64, 95],
      [96, 99],
    ]);
    expect((await places('wall'))[0]).toEqual([1_700_000_030_000, 1_700_000_031_000]);
    expect(await places('epoch')).toEqual([
      [1, 1],
      [1, 2],
      [2, 3],
      [3, 3],
    ]);
    await store.database.pool.query(`update runs set started_at = to_timestamp(1700000000) where id = $1`, [
      attempt.runId,
    ]);
    expect((await places('relative'))[1]).toEqual([32_000, 63_000]);
  });

  it('answer nothing for a range without points and for unknown runs', async () => {
    const runId = await write(store, [[line(10, 20)]], false);
    const query = { keys: ['loss'], buckets: 10 };
    expect(await readChart(store.database, { ...query, runIds: [runId], firstStep: 50 })).toEqual([]);
    expect(await readChart(store.database, { ...query, runIds: [runId], lastStep: 5 })).toEqual([]);
    expect(await readChart(store.database, { ...query, runIds: ['run_none'] })).toEqual([]);
  });
});

async function write(
  store: TestStore,
  attempts: readonly (readonly (readonly Line[])[])[],
  compact: boolean,
): Promise<string> {
  let clock = 0;
  const ingest = createIngest({ database: store.database });
  let runId: string | undefined;
  for (const [index, groups] of attempts.entries()) {
    const attempt = await store.attempt(runId === undefined ? {} : { runId, number: index + 1 });
    runId = attempt.runId;
    let offset = 0;
    for (const group of groups) {
      // Every point has a time of its own, so that first and last are never a matter of taste.
      const text = group.map(
        ({ step, value }) => `{"step":${step},"timestamp":${++clock},"loss":${String(value)}}\n`,
      );
      offset = (await ingest.append(attempt.append('metrics', offset, text.join('')))).size;
    }
    if (compact) await ingest.compactRun(attempt.runId);
  }
  await ingest.close();
  return runId!;
}

function line(from: number, to: number): Line[] {
  return Array.from({ length: to - from }, (_, i) => ({ step: from + i, value: Math.sin(i) }));
}
