import { randomUUID } from 'node:crypto';
import { type Assignment, newId } from '@trainyard/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Attempts, createAttempts } from '../attempts/attempts.ts';
import { createLiveBus } from '../live/live-bus.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { migrate } from '../store/migrate.ts';
import { createPoolStore } from '../store/pools.ts';
import { type TestDatabase, testDatabase } from '../testing/databases.ts';
import { describeDatabases } from '../testing/describe-databases.ts';
import { type AttemptLimit, groupLimit, poolLimit } from './attempt-limit.ts';

/** One attempt as the model sees it: it holds its limits while it is held, and nothing else does. */
interface ModelAttempt {
  readonly id: string;
  readonly priority: number;
  readonly limits: readonly AttemptLimit[];
  state: 'queued' | 'held' | 'over';
  assignment?: Assignment;
}

type Step =
  | { readonly do: 'queue'; readonly limits: readonly AttemptLimit[]; readonly priority: number }
  | { readonly do: 'claim'; readonly free: number }
  | { readonly do: 'finish' | 'lose' | 'cancel'; readonly pick: number }
  | { readonly do: 'resize'; readonly pool: 'p' | 'q'; readonly slots: number };

const NAMES = ['p', 'q'] as const;
const KEYS = ['pool/p', 'pool/q', 'group/g', 'group/h'];

/** The queue as one would write it down: everything that waits, in order, each if it fits. */
class Model {
  readonly attempts: ModelAttempt[] = [];
  readonly slots = { p: 1, q: 2 };

  in(state: ModelAttempt['state']): ModelAttempt[] {
    return this.attempts.filter((each) => each.state === state);
  }

  held(key: string): number {
    const all = this.in('held').flatMap(({ limits }) => limits);
    return all.filter((limit) => limit.key === key).reduce((sum, { slots }) => sum + slots, 0);
  }

  capacity(limit: AttemptLimit): number {
    return 'limit' in limit ? limit.limit : this.slots[limit.key.slice(5) as 'p' | 'q'];
  }

  queue(): ModelAttempt[] {
    return this.in('queued').sort((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1));
  }

  fits(attempt: ModelAttempt): boolean {
    return attempt.limits.every((limit) => this.held(limit.key) + limit.slots <= this.capacity(limit));
  }

  claim(free: number): string[] {
    const before = this.in('held').length;
    for (const attempt of this.queue()) {
      if (this.in('held').length - before === free) break;
      if (this.fits(attempt)) attempt.state = 'held';
    }
    return this.in('held').map(({ id }) => id);
  }
}

describeDatabases('limits against a model', (engine) => {
  let place: TestDatabase;
  let database: Database;
  let attempts: Attempts;

  beforeAll(async () => {
    place = await testDatabase({ engine });
    database = await openDatabase({
      connection: place.url,
      schema: place.schema,
      maxConnections: 5,
      onConnectionError: () => {},
    });
    await migrate(database);
    attempts = createAttempts({ database, bus: createLiveBus() });
  });
  afterAll(async () => {
    await database.close();
    await place.drop();
  });

  const limit = (maxSlots: number): fc.Arbitrary<AttemptLimit> =>
    fc.oneof(
      fc
        .record({ name: fc.constantFrom(...NAMES), slots: fc.integer({ min: 1, max: maxSlots }) })
        .map(({ name, slots }) => poolLimit(name, slots)),
      fc.constantFrom('g', 'h').map((name) => groupLimit(name, 2, 'queue')),
    );
  const steps = (maxSlots: number): fc.Arbitrary<Step[]> =>
    fc.array(
      fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({
            do: fc.constant('queue' as const),
            limits: fc.uniqueArray(limit(maxSlots), { maxLength: 2, selector: ({ key }) => key }),
            priority: fc.integer({ min: -2, max: 2 }),
          }),
        },
        {
          weight: 3,
          arbitrary: fc.record({ do: fc.constant('claim' as const), free: fc.integer({ min: 1, max: 4 }) }),
        },
        {
          weight: 3,
          arbitrary: fc.record({ do: fc.constantFrom('finish', 'lose', 'cancel'), pick: fc.nat(20) }),
        },
        {
          weight: 1,
          arbitrary: fc.record({
            do: fc.constant('resize' as const),
            pool: fc.constantFrom(...NAMES),
            slots: fc.integer({ min: 0, max: 3 }),
          }),
        },
      ),
      { minLength: 5, maxLength: 40 },
    );

  /** Plays a sequence; `afterClaim` is told what agents hold then, and how many slots were left empty. */
  const run = async (
    sequence: readonly Step[],
    onClaim: (model: Model, free: number) => void,
    afterClaim: (model: Model, held: string[], left: number) => void,
  ) => {
    const model = new Model();
    const pools = createPoolStore(database.kysely);
    await database.pool.query(`delete from attempts`);
    for (const name of NAMES) await pools.set(name, { slots: model.slots[name] });
    const agent = await attempts.register({
      name: 'model',
      hostname: 'h',
      version: '0',
      bootId: 'b',
      slots: 100,
      gpus: 0,
      queues: ['default'],
      labels: {},
    });
    for (const step of sequence) {
      if (step.do === 'queue') {
        model.attempts.push({ ...step, id: await queueAttempt(database, step), state: 'queued' });
      } else if (step.do === 'resize') {
        model.slots[step.pool] = step.slots;
        await pools.set(step.pool, { slots: step.slots });
      } else if (step.do === 'claim') {
        onClaim(model, step.free);
        let free = step.free;
        while (free > 0) {
          const { assignments } = await attempts.claim(
            agent.agentId,
            { requestId: randomUUID(), free, freeGpus: 0, held: [], waitMs: 0 },
            new AbortController().signal,
          );
          if (assignments.length === 0) break;
          for (const assignment of assignments) {
            model.attempts.find(({ id }) => id === assignment.spec.attemptId)!.assignment = assignment;
          }
          free -= assignments.length;
        }
        afterClaim(model, await heldIds(database), free);
      } else {
        const from = model.in(step.do === 'cancel' ? 'queued' : 'held');
        const attempt = from[step.pick % Math.max(1, from.length)];
        if (attempt === undefined) continue;
        attempt.state = 'over';
        await endAttempt(attempts, database, attempt, step.do);
      }
    }
  };

  it('hands out exactly what a list of all that waits would give', async () => {
    await fc.assert(
      fc.asyncProperty(steps(1), (sequence) =>
        run(
          sequence,
          (model, free) => model.claim(free),
          (model, held) =>
            expect(held.sort()).toEqual(
              model
                .in('held')
                .map(({ id }) => id)
                .sort(),
            ),
        ),
      ),
      { numRuns: 40 },
    );
  });

  it('never passes a limit and leaves nobody waiting in front of free slots', async () => {
    await fc.assert(
      fc.asyncProperty(steps(3), (sequence) => {
        let before = new Map<string, number>();
        return run(
          sequence,
          (model) => {
            before = new Map(KEYS.map((key) => [key, model.held(key)]));
          },
          (model, held, left) => {
            for (const id of held) model.attempts.find((each) => each.id === id)!.state = 'held';
            for (const limit of model.in('held').flatMap(({ limits }) => limits)) {
              // A pool that was made smaller may hold more than it has, but gets nothing new.
              const most = Math.max(model.capacity(limit), before.get(limit.key)!);
              expect(model.held(limit.key)).toBeLessThanOrEqual(most);
            }
            const foremost = model.queue()[0];
            if (left > 0 && foremost !== undefined) expect(model.fits(foremost)).toBe(false);
          },
        );
      }),
      { numRuns: 40 },
    );
  });
});

async function queueAttempt(
  { pool }: Database,
  { limits, priority }: { readonly limits: readonly AttemptLimit[]; readonly priority: number },
): Promise<string> {
  const id = newId('att');
  const runId = newId('run');
  await pool.query(
    `insert into runs (id, root_id, node_index, depth, kind, name, path, status, created_at)
     values ($1, $1, 0, 0, 'job', 'r', '', 'queued', now())`,
    [runId],
  );
  await pool.query(
    `insert into attempts (id, run_id, root_id, number, epoch, node_index, status, queue, priority, limits, spec, created_at)
     values ($1, $2, $2, 1, 1, 0, 'queued', 'default', $3, $4, $5, '2026-01-01')`,
    [id, runId, priority, limits.length === 0 ? null : JSON.stringify(limits), { attemptId: id, epoch: 1 }],
  );
  return id;
}

async function endAttempt(
  attempts: Attempts,
  { pool }: Database,
  { id, assignment }: ModelAttempt,
  how: 'finish' | 'lose' | 'cancel',
): Promise<void> {
  if (how === 'cancel') {
    await pool.query(`update attempts set status = 'cancelled', ended_at = now() where id = $1`, [id]);
  } else if (how === 'lose') {
    await pool.query(`update attempts set lease_until = now() - interval '1 day' where id = $1`, [id]);
    await attempts.expireLeases();
  } else {
    const { token } = assignment!;
    const finished = {
      kind: 'finished',
      attemptId: id,
      epoch: 1,
      token,
      at: Date.now(),
      outcome: 'failed',
    } as const;
    const ended = { exitCode: 1, signal: null, error: null, outputs: null, cleanupError: null };
    const [result] = await attempts.report([
      { ...finished, ...ended, datasets: [], checkpoints: [], undeliveredBytes: {} },
    ]);
    expect(result).toMatchObject({ ok: true });
  }
}

async function heldIds({ pool }: Database): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `select id from attempts where status in ('leased', 'running', 'paused')`,
  );
  return rows.map((row) => row.id);
}
