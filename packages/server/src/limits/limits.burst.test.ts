import type { Assignment } from '@trainyard/protocol';
import { expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

const BURST = 1000;

const pipeline = (count: number, extra: object) =>
  JSON.stringify({
    name: 'burst',
    maxParallel: 10_000,
    stages: Array.from({ length: count }, (_, index) => ({
      name: `s${index}`,
      job: { command: 'true' },
      ...extra,
    })),
  });

describeDatabases('limits under a burst', (engine) => {
  it('hands out 1,000 attempts to agents of two servers without ever passing the pool or the group', async () => {
    const place = await startTestServer(engine);
    try {
      const peer = await place.peer();
      expectStatus(await place.call('PUT', '/api/v1/pools/burst', { slots: 40 }), 201);
      const concurrency = { group: 'burst', limit: 60 };
      const root = await place.submit(pipeline(BURST, { pools: [{ name: 'burst', slots: 2 }], concurrency }));
      const held = new Map<string, Assignment>();
      let most = 0;
      let ended = 0;
      const work = async (server: TestServer): Promise<void> => {
        const agent = await server.agent();
        while (ended < BURST) {
          const { assignments } = (await agent.claim({ free: 8, waitMs: 200 })).body;
          for (const each of assignments) {
            expect(held.has(each.spec.attemptId)).toBe(false);
            held.set(each.spec.attemptId, each);
          }
          most = Math.max(most, held.size);
          for (const each of assignments) {
            // What is reported is free before the answer comes, so it must not be counted any more.
            held.delete(each.spec.attemptId);
            expect(await agent.report(each, { outcome: 'completed' })).toMatchObject({ ok: true });
            ended += 1;
          }
        }
      };
      await Promise.all([place, peer, place, peer, place, peer].map(work));
      expect(most).toBeGreaterThan(8);
      expect(most).toBeLessThanOrEqual(20);
      await place.treeWhen(root, ({ status }) => status === 'completed');
    } finally {
      await place.end();
    }
  }, 60_000);

  it('finds what is free behind 10,000 attempts of a full pool with bounded work', async () => {
    const place = await startTestServer(engine);
    try {
      expectStatus(await place.call('PUT', '/api/v1/pools/full', { slots: 0 }), 201);
      await place.submit(pipeline(10_000, { pools: ['full'] }));
      await place.submit(pipeline(200, {}));
      const agent = await place.agent();
      // The first claim puts aside what cannot start; from then on nobody looks at it again.
      expect((await agent.claim({ free: 1 })).body.assignments).toHaveLength(1);
      const { pool } = place.server.database;
      const gated = await pool.query(`select count(*)::int as n from attempts where gate = 'pool/full/1'`);
      expect(gated.rows[0].n).toBe(10_000);
      for (let index = 1; index <= 3; index += 1) {
        const [next] = (await agent.claim({ free: 1 })).body.assignments;
        expect(next?.spec.stage).toBe(`s${index}`);
      }
    } finally {
      await place.end();
    }
  }, 60_000);
});
