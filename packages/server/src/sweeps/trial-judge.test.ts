import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDiagnoser } from '../diagnosis/diagnoser.ts';
import { openTestStore, type TestAttempt, type TestStore } from '../ingest/testing/test-store.ts';
import { createLiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import { describeDatabases } from '../testing/describe-databases.ts';

const RULE = { metric: 'loss', goal: 'min', minSteps: 2, factor: 2 };

describeDatabases('trials of a sweep', (engine) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await openTestStore(engine);
  });
  afterAll(() => store.close());

  it('are compared once at each step, also by a server that starts in the middle', async () => {
    const trials = await makeTrials(store, 3);
    const [good, fair, bad] = trials as [TestAttempt, TestAttempt, TestAttempt];
    const first = serverOn(store.database);
    await first.told(good, [0, 1, 2], 0.1);
    await first.told(fair, [0, 1, 2, 3], 0.2);
    await first.told(bad, [0, 1], 0.9);
    expect(await rungsOf(store, trials)).toEqual([[2], [2], []]);

    const second = serverOn(await store.open());
    await second.told(good, [3], 0.9);
    expect(await rungsOf(store, trials)).toEqual([[2], [2], []]);
    expect(await endsOf(store, trials)).toEqual([null, expect.stringContaining('0.2 at step 2'), null]);
    await second.told(bad, [3], 0.9);
    await second.told(good, [4], 0.1);
    expect(await rungsOf(store, trials)).toEqual([[2, 4], [2], [2]]);
    expect(await endsOf(store, trials)).toEqual([
      null,
      expect.stringContaining('0.2 at step 2'),
      'loss was 0.9 at step 2; one of 2 goes on, and of 3 trials so far those had at most 0.1',
    ]);
    expect([first.hadWork(), second.hadWork()]).toEqual([1, 1]);
  });

  it('are those of stages with such a rule only', async () => {
    const trials = await makeTrials(store, 2, {});
    const server = serverOn(store.database);
    await server.told(trials[0]!, [2], 0.1);
    await server.told(trials[1]!, [2], 0.9);
    expect(await rungsOf(store, trials)).toEqual([[], []]);
    expect(await endsOf(store, trials)).toEqual([null, null]);
  });
});

function serverOn(database: Database) {
  const bus = createLiveBus();
  let work = 0;
  bus.on('work', () => {
    work += 1;
  });
  const diagnoser = createDiagnoser({ database, bus, log: pino({ level: 'silent' }) });
  return {
    hadWork: () => work,
    async told({ attemptId, runId }: TestAttempt, steps: readonly number[], loss: number): Promise<void> {
      const points = {
        steps: Float64Array.from(steps),
        times: Float64Array.from(steps),
        values: Float64Array.from(steps, () => loss),
      };
      diagnoser.take({ attemptId, runId, points: new Map([['loss', points]]) });
      await diagnoser.idle();
    },
  };
}

async function makeTrials(
  { attempt, database }: TestStore,
  count: number,
  spec: object = { earlyStopping: RULE },
): Promise<TestAttempt[]> {
  const group = await attempt();
  const trials = await Promise.all(Array.from({ length: count }, () => attempt()));
  const ids = trials.map(({ runId }) => runId);
  await database.pool.query('update runs set parent_id = $1 where id = any($2::text[])', [group.runId, ids]);
  await database.pool.query('update attempts set spec = $1 where run_id = any($2::text[])', [spec, ids]);
  return trials;
}

/** The steps at which each was compared. */
async function rungsOf({ database }: TestStore, trials: readonly TestAttempt[]): Promise<number[][]> {
  const { rows } = await database.pool.query<{ run_id: string; rung: number }>(
    'select run_id, rung from trial_rungs order by rung',
  );
  return trials.map(({ runId }) => rows.filter((row) => row.run_id === runId).map(({ rung }) => rung));
}

/** Why each is asked to end. */
async function endsOf({ database }: TestStore, trials: readonly TestAttempt[]): Promise<(string | null)[]> {
  const { rows } = await database.pool.query<{ id: string; message: string | null }>(
    `select id, stop_error ->> 'message' as message from attempts`,
  );
  return trials.map(({ attemptId }) => rows.find(({ id }) => id === attemptId)!.message);
}
