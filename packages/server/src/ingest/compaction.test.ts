import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { createIngest } from './append.ts';
import { readPoints } from './index.ts';
import { MAX_CHUNK_POINTS } from './points.ts';
import { openTestStore, type TestAttempt, type TestStore } from './testing/test-store.ts';

describeDatabases('compaction', (engine) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await openTestStore(engine);
  });
  afterAll(() => store.close());

  it('keeps few chunks while points arrive one by one, and loses none', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await store.attempt();
    await appendLines(attempt, 400, 1, (append) => ingest.append(append));
    await ingest.close();
    expect((await chunkSizes(store, attempt.runId)).length).toBeLessThan(60);
    await ingest.compactRun(attempt.runId);
    expect(await chunkSizes(store, attempt.runId)).toEqual([400]);
    await expectSteps(store, attempt.runId, 400);
  });

  it('merges to chunks that are nearly full', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await store.attempt();
    await appendLines(attempt, 20_000, 500, (append) => ingest.append(append));
    await ingest.compactRun(attempt.runId);
    const sizes = await chunkSizes(store, attempt.runId);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_CHUNK_POINTS);
    expect(sizes.length).toBeLessThanOrEqual(12);
    await expectSteps(store, attempt.runId, 20_000);
  });

  it('loses no point of appends that run at the same time, on two servers', async () => {
    const attempts = await Promise.all(Array.from({ length: 3 }, () => store.attempt()));
    const ingest = createIngest({ database: store.database });
    const other = createIngest({ database: await store.open() });
    let appending = true;
    const compacting = (async () => {
      while (appending) {
        await Promise.all(
          attempts.map(({ runId }) => Promise.all([ingest.compactRun(runId), other.compactRun(runId)])),
        );
      }
    })();
    await Promise.all(attempts.map((attempt) => appendLines(attempt, 300, 3, (a) => ingest.append(a))));
    appending = false;
    await compacting;
    await ingest.close();
    for (const attempt of attempts) await expectSteps(store, attempt.runId, 300);
  });
});

async function appendLines(
  attempt: TestAttempt,
  lines: number,
  perAppend: number,
  send: (append: ReturnType<TestAttempt['append']>) => Promise<{ size: number }>,
): Promise<void> {
  let offset = 0;
  for (let step = 0; step < lines; step += perAppend) {
    const text = Array.from(
      { length: Math.min(perAppend, lines - step) },
      (_, i) => `{"step":${step + i},"timestamp":1,"loss":${(step + i) / 8}}\n`,
    ).join('');
    offset = (await send(attempt.append('metrics', offset, text))).size;
  }
}

async function chunkSizes(store: TestStore, runId: string): Promise<number[]> {
  const rows = await store.database.kysely
    .selectFrom('metric_chunks')
    .innerJoin('metric_series', 'metric_series.id', 'metric_chunks.series_id')
    .select('metric_chunks.n')
    .where('metric_series.run_id', '=', runId)
    .execute();
  return rows.map((row) => row.n);
}

async function expectSteps(store: TestStore, runId: string, count: number): Promise<void> {
  const { steps, values } = (await readPoints(store.database, runId)).get('loss')!;
  const expected = Float64Array.from({ length: count }, (_, step) => step);
  expect(steps).toEqual(expected);
  expect(values).toEqual(expected.map((step) => step / 8));
}
