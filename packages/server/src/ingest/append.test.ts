import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { createIngest, type IngestProblem } from './append.ts';
import { readLatest, readLogBytes, readPoints } from './index.ts';
import { openTestStore, type TestStore } from './testing/test-store.ts';

describeDatabases('ingest', (engine) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await openTestStore(engine);
  });
  afterAll(() => store.close());

  it('stores bytes, trims overlap and answers the stored size', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await store.attempt();
    expect(await ingest.append(attempt.append('log', 0, 'hello '))).toMatchObject({ size: 6 });
    expect(await ingest.append(attempt.append('log', 3, 'lo world'))).toMatchObject({ size: 11 });
    expect(await ingest.append(attempt.append('log', 0, 'hello'))).toMatchObject({ size: 11 });
    expect(await ingest.append(attempt.append('log', 11, ''))).toMatchObject({ size: 11 });
    const part = await readLogBytes(store.database, attempt.attemptId, 0, 100);
    expect(part.bytes.toString()).toBe('hello world');
    const middle = await readLogBytes(store.database, attempt.attemptId, 4, 4);
    expect(middle.bytes.toString()).toBe('o wo');
  });

  it('refuses a gap and tells where to send from', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await store.attempt();
    await ingest.append(attempt.append('log', 0, 'abc'));
    await expect(ingest.append(attempt.append('log', 4, 'e'))).rejects.toMatchObject({
      code: 'STREAM_GAP',
      details: { size: 3 },
    });
  });

  it('refuses an attempt that is over, and one that never was', async () => {
    const ingest = createIngest({ database: store.database });
    const over = await store.attempt({ status: 'completed' });
    await expect(ingest.append(over.append('log', 0, 'x'))).rejects.toMatchObject({ code: 'ATTEMPT_FENCED' });
    const unknown = { ...over.append('log', 0, 'x'), attemptId: 'att_unknown' };
    await expect(ingest.append(unknown)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('stores what is appended at once in the order of arrival', async () => {
    const ingest = createIngest({ database: store.database });
    const attempts = await Promise.all(Array.from({ length: 5 }, () => store.attempt()));
    const appends = [];
    for (let i = 0; i < 60; i++) {
      for (const attempt of attempts)
        appends.push(ingest.append(attempt.append('log', i * 3, `${i % 10}, `)));
    }
    await Promise.all(appends);
    for (const attempt of attempts) {
      const { bytes } = await readLogBytes(store.database, attempt.attemptId, 0, 1000);
      expect(bytes.toString()).toBe(Array.from({ length: 60 }, (_, i) => `${i % 10}, `).join(''));
    }
  });

  it('makes points of metric lines, step 0 and non-finite values included', async () => {
    const ingest = createIngest({ database: store.database, now: () => 5000 });
    const attempt = await store.attempt();
    const text = [
      '{"step":0,"timestamp":1.5,"loss":{"actor_loss":0.5},"reward":{"mean":NaN}}',
      '{"step":1,"loss":{"actor_loss":Infinity}}',
      '',
    ].join('\n');
    await ingest.append(attempt.append('metrics', 0, text));
    const points = await readPoints(store.database, attempt.runId);
    expect([...points.keys()]).toEqual(['policy_loss', 'reward/mean']);
    expect(points.get('policy_loss')).toEqual({
      steps: Float64Array.of(0, 1),
      times: Float64Array.of(1500, 5000),
      values: Float64Array.of(0.5, Number.POSITIVE_INFINITY),
    });
    expect(await readLatest(store.database, [attempt.runId])).toEqual([
      {
        runId: attempt.runId,
        key: 'policy_loss',
        step: 1,
        value: Number.POSITIVE_INFINITY,
        time: 5000,
        count: 2,
        min: 0.5,
        max: 0.5,
      },
      {
        runId: attempt.runId,
        key: 'reward/mean',
        step: 0,
        value: Number.NaN,
        time: 1500,
        count: 1,
        min: null,
        max: null,
      },
    ]);
  });

  it('gives exactly one point for a line that is completed later', async () => {
    const attempt = await store.attempt();
    const line = '{"step":7,"timestamp":1,"loss":0.25}\n';
    for (let cut = 1; cut < line.length; cut += 5) {
      // A new ingest each time: the tail comes from the stored bytes, not from memory.
      const offset = Math.floor(cut / 5) * line.length;
      await createIngest({ database: store.database }).append(
        attempt.append('metrics', offset, line.slice(0, cut)),
      );
      await createIngest({ database: store.database }).append(
        attempt.append('metrics', offset + cut, line.slice(cut)),
      );
    }
    const points = await readPoints(store.database, attempt.runId);
    expect(points.get('loss')!.steps.length).toBe(Math.ceil((line.length - 1) / 5));
  });

  it('counts unreadable lines, reports the first five and stores the others', async () => {
    const problems: IngestProblem[] = [];
    const ingest = createIngest({ database: store.database, onProblem: (problem) => problems.push(problem) });
    const attempt = await store.attempt();
    const text = `${'nonsense\n'.repeat(4)}{"step":1,"loss":1}\n${'{"step":-1}\n'.repeat(4)}`;
    await ingest.append(attempt.append('metrics', 0, text));
    expect(problems.map((problem) => problem.offset)).toEqual([0, 9, 18, 27, 56]);
    const row = await store.database.kysely
      .selectFrom('streams')
      .select(['unreadable_lines', 'parsed', 'size'])
      .where('attempt_id', '=', attempt.attemptId)
      .executeTakeFirstOrThrow();
    expect(row).toEqual({ unreadable_lines: 8, parsed: text.length, size: text.length });
    expect((await readPoints(store.database, attempt.runId)).get('loss')!.values).toEqual(Float64Array.of(1));
  });

  it('takes keys that the database could not store as they are', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await store.attempt();
    await ingest.append(attempt.append('metrics', 0, '{"step":1,"a\\u0000b":1,"\\ud800":2,"\\ud801":3}\n'));
    const points = await readPoints(store.database, attempt.runId);
    expect([...points.keys()].sort()).toEqual(['a\uFFFDb', '\uFFFD']);
  });
});
