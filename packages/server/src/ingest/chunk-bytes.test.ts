import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createIngest, type Ingest, readLogBytes } from './index.ts';
import { openTestStore, type TestStore } from './testing/test-store.ts';

let store: TestStore;
let ingest: Ingest;
/** Lines, bytes that nothing makes smaller, a little more: in chunks of every kind. */
const parts = [
  Buffer.from(
    Array.from({ length: 30_000 }, (_, at) => `step ${at} loss ${(1 / (at + 1)).toFixed(6)}\n`).join(''),
  ),
  randomBytes(600_000),
  Buffer.from('a few bytes\n'),
  Buffer.from('the same again\n'.repeat(1000)),
];
const whole = Buffer.concat(parts);

beforeAll(async () => {
  store = await openTestStore();
  ingest = createIngest({ database: store.database });
});

afterAll(async () => {
  await ingest.close();
  await store.close();
});

it('stores text in a fifth of its size and gives every range of a stream back as it was sent', async () => {
  const attempt = await store.attempt();
  let offset = 0;
  for (const part of parts) offset = (await ingest.append(attempt.append('log', offset, part))).size;
  const { rows } = await store.database.pool.query<{ offset: number; length: number; codec: number }>(
    `select "offset", length(bytes), codec from stream_chunks where attempt_id = $1 order by "offset"`,
    [attempt.attemptId],
  );
  expect(new Set(rows.map(({ codec }) => codec))).toEqual(new Set([0, 1]));
  const text = rows.filter((row) => row.offset < parts[0]!.length);
  expect(text.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(parts[0]!.length / 3);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length), fc.nat(700_000), async (from, length) => {
      const { bytes } = await readLogBytes(store.database, attempt.attemptId, from, length);
      expect(bytes.equals(whole.subarray(from, from + length))).toBe(true);
    }),
    { numRuns: 40 },
  );
});

it('leaves out what is stored already of compressed bytes, and reads chunks from before they were compressed', async () => {
  const attempt = await store.attempt();
  await store.database.pool.query(
    `insert into streams (attempt_id, stream, run_id, size) values ($1, 'log', $2, $3)`,
    [attempt.attemptId, attempt.runId, 10_000],
  );
  await store.database.pool.query(
    `insert into stream_chunks (attempt_id, stream, "offset", bytes, received_at) values ($1, 'log', 0, $2, now())`,
    [attempt.attemptId, whole.subarray(0, 10_000)],
  );
  await ingest.append(attempt.append('log', 4000, whole.subarray(4000)));
  const { bytes, size } = await readLogBytes(store.database, attempt.attemptId, 0, whole.length);
  expect(size).toBe(whole.length);
  expect(bytes.equals(whole)).toBe(true);
});
