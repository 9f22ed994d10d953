import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { createIngest } from './append.ts';
import { readLatest, readLogBytes, readPoints } from './index.ts';
import { openTestStore, type TestAttempt, type TestStore } from './testing/test-store.ts';

describeDatabases('what a program reports beside its agent', (engine) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await openTestStore(engine);
  });
  afterAll(() => store.close());

  const beside = (attempt: TestAttempt, text: string, firstLine?: number) => ({
    ...attempt.append('log', 0, text),
    offset: 'beside' as const,
    firstLine,
  });
  const logOf = async ({ attemptId }: TestAttempt) =>
    (await readLogBytes(store.database, attemptId, 0, 10_000)).bytes.toString();
  /** An attempt whose log is read for metrics. */
  const printing = async () => {
    const attempt = await store.attempt();
    await sql`update attempts set spec = (spec::jsonb || '{"metricsFromLog": true}')::json where id = ${attempt.attemptId}`.execute(
      store.database.kysely,
    );
    return attempt;
  };
  const pointsOf = async ({ runId }: TestAttempt, key = 'loss') => {
    const points = (await readPoints(store.database, runId)).get(key);
    return points === undefined ? [] : [...points.steps].map((step, at) => [step, points.values[at]]);
  };

  it('stands in the log in whole lines, and the places of what the agent sends stay as they are', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await store.attempt();
    expect(await ingest.append(attempt.append('log', 0, 'printed\nbegun'))).toEqual({ size: 13, lines: 1 });
    expect(await ingest.append(beside(attempt, 'told 1\ntold 2\n', 0))).toMatchObject({ lines: 4 });
    expect(await ingest.append(attempt.append('log', 13, ' ended\n'))).toMatchObject({ size: 20 });
    // Sent again, by both: nothing is stored twice.
    expect(await ingest.append(beside(attempt, 'told 1\ntold 2\ntold 3\n', 0))).toMatchObject({ lines: 6 });
    expect(await ingest.append(attempt.append('log', 8, 'begun ended\nmore\n'))).toMatchObject({ size: 25 });
    expect(await logOf(attempt)).toBe('printed\nbegun\ntold 1\ntold 2\n ended\ntold 3\nmore\n');
    await expect(ingest.append(attempt.append('log', 26, 'x'))).rejects.toMatchObject({
      code: 'STREAM_GAP',
      details: { size: 25 },
    });
    await expect(ingest.append(beside(attempt, 'x\n', 4))).rejects.toMatchObject({
      code: 'STREAM_GAP',
      details: { lines: 3 },
    });
  });

  it('ends a line that was begun, and takes its own end for that one', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await store.attempt();
    // Python writes a line and its end apart, and each may arrive alone.
    await ingest.append(attempt.append('log', 0, 'one'));
    await ingest.append(beside(attempt, 'told\n'));
    expect(await ingest.append(attempt.append('log', 3, '\n'))).toMatchObject({ size: 4 });
    await ingest.append(attempt.append('log', 3, '\ntwo'));
    await ingest.append(beside(attempt, 'told\n'));
    expect(await ingest.append(attempt.append('log', 4, 'two\n\nthree\n'))).toMatchObject({ size: 15 });
    expect(await logOf(attempt)).toBe('one\ntold\ntwo\ntold\n\nthree\n');
  });

  it('gathers in one transaction with what the agent sends', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await store.attempt();
    const sent = [];
    for (let i = 0; i < 50; i += 1) {
      sent.push(ingest.append(attempt.append('log', i * 3, `a${i % 10}\n`)));
      sent.push(ingest.append(beside(attempt, `b${i}\n`, i)));
    }
    await Promise.all(sent);
    const lines = (await logOf(attempt)).trimEnd().split('\n');
    expect(lines.filter((line) => line.startsWith('a'))).toEqual(
      Array.from({ length: 50 }, (_, i) => `a${i % 10}`),
    );
    expect(lines.filter((line) => line.startsWith('b'))).toEqual(
      Array.from({ length: 50 }, (_, i) => `b${i}`),
    );
    expect(lines).toHaveLength(100);
  });

  it('are points of a stream of their own, which no half line of the metrics file disturbs', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await store.attempt();
    await ingest.append(attempt.append('metrics', 0, '{"step": 1, "lo'));
    const line = '{"step": 2, "loss": 2}\n';
    await ingest.append({
      ...attempt.append('metrics', 0, line),
      stream: 'reported',
      offset: 'end',
      firstLine: 0,
    });
    await ingest.append({
      ...attempt.append('metrics', 0, line),
      stream: 'reported',
      offset: 'end',
      firstLine: 0,
    });
    await ingest.append(attempt.append('metrics', 15, 'ss": 1}\n'));
    expect(await pointsOf(attempt)).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  it('makes points of the lines of a log that tell a step and numbers, once each', async () => {
    const ingest = createIngest({ database: store.database });
    const attempt = await printing();
    const log = 'loading\nstep:1 - loss:5e-1\nstep:1 - loss:5e-1\nhalf way\nstep:2 - lo';
    await ingest.append(attempt.append('log', 0, log));
    await ingest.append(attempt.append('log', 0, `${log}ss:2.5E-01\n`));
    // Another rank says the same a moment later.
    await ingest.append(
      attempt.append('log', log.length + 11, 'step:2 - loss:2.5E-01\n{"step": 3, "loss": NaN}\n'),
    );
    await ingest.append(beside(attempt, 'step 4: loss=1\n', 0));
    expect(await pointsOf(attempt)).toEqual([
      [1, 0.5],
      [2, 0.25],
      [3, NaN],
      [4, 1],
    ]);
    expect((await readLatest(store.database, [attempt.runId]))[0]).toMatchObject({ key: 'loss', count: 4 });
    // The last line counts without its end when nothing more can come.
    await ingest.append(attempt.append('log', log.length + 11 + 47, 'step: 5 loss: 5'));
    expect(await pointsOf(attempt)).toHaveLength(4);
    await sql`update attempts set status = 'completed' where id = ${attempt.attemptId}`.execute(
      store.database.kysely,
    );
    await ingest.compactRun(attempt.runId);
    expect((await pointsOf(attempt)).at(-1)).toEqual([5, 5]);
  });

  it('reads no metrics from a log where nobody asks for it, nor where the program writes its own', async () => {
    const ingest = createIngest({ database: store.database });
    const plain = await store.attempt();
    await ingest.append(plain.append('log', 0, 'step:1 - loss:1\n'));
    expect(await pointsOf(plain)).toEqual([]);
    const both = await printing();
    await ingest.append(both.append('metrics', 0, '{"step": 1, "loss": 1}\n'));
    await ingest.append(both.append('log', 0, 'step:1 - loss:1\nstep:2 - loss:2\n'));
    await ingest.append(both.append('metrics', 23, '{"step": 2, "loss": 2}\n'));
    await sql`update attempts set status = 'completed' where id = ${both.attemptId}`.execute(
      store.database.kysely,
    );
    await ingest.compactRun(both.runId);
    expect(await pointsOf(both)).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });
});
