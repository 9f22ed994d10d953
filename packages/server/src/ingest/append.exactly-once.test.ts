import { TrainyardError } from '@trainyard/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { createIngest, type Ingest } from './append.ts';
import { readLogBytes, readPoints } from './index.ts';
import { openTestStore, type TestAttempt, type TestStore } from './testing/test-store.ts';

describeDatabases('exactly-once ingest', (engine) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await openTestStore(engine);
  });
  afterAll(() => store.close());

  it('stores any byte stream once, whatever splits, repeats and wrong orders it is sent in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 400 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(80)), { maxLength: 25 }),
        async (content, parts) => {
          const attempt = await store.attempt();
          const ingest = createIngest({ database: store.database });
          const bytes = Buffer.from(content);
          // Pieces from anywhere, all at once; those that would leave a gap are refused.
          const early = parts.map(([at, length]) => {
            const offset = at % bytes.length;
            return ingest.append(attempt.append('log', offset, bytes.subarray(offset, offset + length)));
          });
          for (const result of await Promise.allSettled(early)) {
            if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'STREAM_GAP' });
          }
          await sendRest(ingest, attempt, 'log', bytes, 0, 97);
          const stored = await readLogBytes(store.database, attempt.attemptId, 0, 10_000);
          expect(stored.bytes.equals(bytes)).toBe(true);
          expect(stored.size).toBe(bytes.length);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('gives every point once when two servers race on the same stream', async () => {
    const attempt = await store.attempt();
    const bytes = metricsFile(400);
    const servers = [store.database, await store.open(), await store.open()];
    await Promise.all(
      servers.map((database, i) =>
        sendRest(createIngest({ database }), attempt, 'metrics', bytes, 0, 700 + 331 * i),
      ),
    );
    await expectAllPoints(store, attempt, 400);
  });

  it('gives every point once when connections are killed in the middle of a batch', async () => {
    const attempts = await Promise.all(Array.from({ length: 4 }, () => store.attempt()));
    const bytes = metricsFile(300);
    const victim = await store.open();
    const backends = new Set<number>();
    victim.pool.on('connect', (client) => backends.add(processIdOf(client)));
    const ingest = createIngest({ database: victim });
    let kills = 0;
    let sending = true;
    const killer = (async () => {
      while (sending && kills < 30) {
        // Only transactions that have written something: those are in the middle of a batch.
        const { rows } = await store.database.pool.query<{ n: number }>(
          `select count(pg_terminate_backend(pid))::int as n from pg_stat_activity
           where backend_xid is not null and pid = any($1)`,
          [[...backends]],
        );
        kills += rows[0]!.n;
      }
    })();
    await Promise.all(attempts.map((attempt) => sendRest(ingest, attempt, 'metrics', bytes, 0, 120)));
    sending = false;
    await killer;
    expect(kills).toBeGreaterThan(0);
    for (const attempt of attempts) await expectAllPoints(store, attempt, 300);
  });

  it('stores the neighbours of an append that the database refuses', async () => {
    const own = await openTestStore(engine);
    await own.database.pool.query(
      `alter table stream_chunks add constraint refused check (bytes <> 'poison'::bytea)`,
    );
    const ingest = createIngest({ database: own.database });
    const [good, poisoned] = await Promise.all([own.attempt(), own.attempt()]);
    const results = await Promise.allSettled([
      ingest.append(good.append('log', 0, 'one')),
      ingest.append(poisoned.append('log', 0, 'poison')),
      ingest.append(good.append('log', 3, 'two')),
    ]);
    expect(results).toMatchObject([
      { status: 'fulfilled', value: { size: 3 } },
      { status: 'rejected' },
      { status: 'fulfilled', value: { size: 6 } },
    ]);
    await own.close();
  });
});

/** Sends as an agent does: from the stored size on, again after a gap or a lost database. */
async function sendRest(
  ingest: Ingest,
  attempt: TestAttempt,
  stream: 'log' | 'metrics',
  bytes: Buffer,
  from: number,
  step: number,
): Promise<void> {
  let offset = from;
  while (offset < bytes.length) {
    try {
      const append = attempt.append(stream, offset, bytes.subarray(offset, offset + step));
      offset = (await ingest.append(append)).size;
    } catch (error) {
      if (!(error instanceof TrainyardError) || error.code !== 'UNAVAILABLE') throw error;
    }
  }
}

function metricsFile(lines: number): Buffer {
  const text = Array.from(
    { length: lines },
    (_, step) => `{"step":${step},"timestamp":${step},"loss":${step / 4},"reward":{"mean":${0 - step}}}\n`,
  );
  return Buffer.from(text.join(''));
}

async function expectAllPoints(store: TestStore, attempt: TestAttempt, lines: number): Promise<void> {
  const points = await readPoints(store.database, attempt.runId);
  const steps = Float64Array.from({ length: lines }, (_, step) => step);
  expect(points.get('loss')).toEqual({
    steps,
    times: steps.map((step) => step * 1000),
    values: steps.map((step) => step / 4),
  });
  expect(points.get('reward/mean')!.values).toEqual(steps.map((step) => 0 - step));
}

/** The server process behind a connection; `pg` has it, its types do not. */
function processIdOf(client: object): number {
  return 'processID' in client && typeof client.processID === 'number' ? client.processID : 0;
}
