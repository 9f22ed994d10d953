import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { createIngest } from './append.ts';
import { bucketWidth } from './chart-buckets.ts';
import { type Points, readChart, readPoints } from './index.ts';
import { summarise } from './points.ts';
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
        fc.option(fc.nat(300), { nil: undefined }),
        fc.option(fc.nat(100_000), { nil: undefined }),
        fc.boolean(),
        async (attempts, buckets, firstStep, lastStep, compact) => {
          const runId = await write(store, attempts, compact);
          const request = { runIds: [runId], keys: ['loss', 'none'], buckets, firstStep, lastStep };
          const charts = await readChart(store.database, request);
          const all = (await readPoints(store.database, runId)).get('loss')!;
          expect(charts[0]?.buckets ?? []).toEqual(bruteForce(all, buckets, firstStep, lastStep));
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

function bruteForce(points: Points, buckets: number, first = 0, last = Number.MAX_SAFE_INTEGER) {
  const { steps, times, values } = points;
  const from = Math.max(first, steps[0]!);
  const to = Math.max(from, Math.min(last, steps.at(-1)!));
  const width = bucketWidth(from, to, buckets);
  const groups = Map.groupBy(
    Array.from(steps.keys()).filter((i) => steps[i]! >= first && steps[i]! <= last),
    (i) => Math.floor(steps[i]! / width),
  );
  const take = (column: Float64Array, indices: readonly number[]) =>
    Float64Array.from(indices, (i) => column[i]!);
  return [...groups.values()].map((indices) =>
    summarise({ steps: take(steps, indices), times: take(times, indices), values: take(values, indices) }),
  );
}
