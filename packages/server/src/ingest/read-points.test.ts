import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { createIngest } from './append.ts';
import { readLatest, readPoints } from './index.ts';
import { openTestStore, type TestStore } from './testing/test-store.ts';

describeDatabases('points', (engine) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await openTestStore(engine);
  });
  afterAll(() => store.close());

  it('answers keys and ranges of steps, both ends included', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await store.attempt();
    const text = Array.from({ length: 50 }, (_, step) => `{"step":${step},"a":${step},"b":${-step}}\n`);
    await ingest.append(attempt.append('metrics', 0, text.join('')));
    const points = await readPoints(store.database, attempt.runId, {
      keys: ['a'],
      firstStep: 10,
      lastStep: 12,
    });
    expect([...points.keys()]).toEqual(['a']);
    expect(points.get('a')!.values).toEqual(Float64Array.of(10, 11, 12));
    expect(await readPoints(store.database, attempt.runId, { firstStep: 50 })).toEqual(new Map());
  });

  it('puts the points of the newest attempt in the place of older ones at the same step', async () => {
    const ingest = createIngest({ database: store.database, now: () => 0 });
    const first = await store.attempt();
    await ingest.append(
      first.append(
        'metrics',
        0,
        lines(0, 100, (step) => step),
      ),
    );
    await endAttempt(store, first.attemptId, 'lost');
    await ingest.compactRun(first.runId);
    const second = await store.attempt({ runId: first.runId, number: 2 });
    await ingest.append(
      second.append(
        'metrics',
        0,
        lines(60, 90, (step) => -step),
      ),
    );
    const expected = [...range(0, 60), ...range(60, 90).map((step) => -step), ...range(90, 100)];
    const points = await readPoints(store.database, first.runId);
    expect(points.get('loss')!.values).toEqual(Float64Array.from(expected));

    await endAttempt(store, second.attemptId, 'completed');
    await ingest.compactRun(first.runId);
    expect((await readPoints(store.database, first.runId)).get('loss')).toEqual(points.get('loss'));
    const [latest] = await readLatest(store.database, [first.runId]);
    expect(latest).toMatchObject({ step: 99, value: 99, count: 100, min: -89, max: 99 });
  });

  it('drops replaced points of several attempts', async () => {
    const ingest = createIngest({ database: store.database });
    const first = await store.attempt();
    const second = await store.attempt({ runId: first.runId, number: 2 });
    const third = await store.attempt({ runId: first.runId, number: 3 });
    await ingest.append(
      first.append(
        'metrics',
        0,
        lines(0, 10, () => 1),
      ),
    );
    await ingest.append(
      second.append(
        'metrics',
        0,
        lines(2, 8, () => 2),
      ),
    );
    await ingest.append(
      third.append(
        'metrics',
        0,
        lines(4, 6, () => 3),
      ),
    );
    const before = await readPoints(store.database, first.runId);
    expect(before.get('loss')!.values).toEqual(Float64Array.of(1, 1, 2, 2, 3, 3, 2, 2, 1, 1));
    await ingest.compactRun(first.runId);
    expect(await readPoints(store.database, first.runId)).toEqual(before);
    const [latest] = await readLatest(store.database, [first.runId]);
    expect(latest).toMatchObject({ count: 10, min: 1, max: 3 });
  });

  it('counts a whole last line without a line end once the attempt has ended', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await store.attempt();
    await ingest.append(attempt.append('metrics', 0, '{"step":1,"loss":1}\n{"step":2,"loss":2}'));
    await ingest.compactRun(attempt.runId);
    expect((await readPoints(store.database, attempt.runId)).get('loss')!.steps).toEqual(Float64Array.of(1));
    await endAttempt(store, attempt.attemptId, 'completed');
    await ingest.compactRun(attempt.runId);
    await ingest.compactRun(attempt.runId);
    const points = await readPoints(store.database, attempt.runId);
    expect(points.get('loss')!.values).toEqual(Float64Array.of(1, 2));
  });
});

function lines(from: number, to: number, value: (step: number) => number): string {
  return range(from, to)
    .map((step) => `{"step":${step},"timestamp":${step},"loss":${value(step)}}\n`)
    .join('');
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

async function endAttempt(store: TestStore, id: string, status: 'lost' | 'completed'): Promise<void> {
  await store.database.kysely.updateTable('attempts').set({ status }).where('id', '=', id).execute();
}
