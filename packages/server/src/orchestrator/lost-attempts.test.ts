import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const SOURCE = `
name: unlucky
stages:
  - { name: a, retry: { attempts: 2, backoff: 0 }, job: { command: 'true' } }
  - { name: b, dependsOn: [a], job: { command: 'true' } }
`;

describeDatabases('lost attempts', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  /** As if the agent of everything that runs had been gone for longer than lease and grace. */
  async function lose(): Promise<void> {
    for (let round = 0; round < 2; round += 1) {
      await sql`update attempts set lease_until = now() - interval '1 hour'
        where status in ('leased', 'running')`.execute(plane.database.kysely);
      await plane.attempts.expireLeases();
    }
  }

  it('are none while their agent renews the lease, however long their status stays the same (A8.10)', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(SOURCE);
    const [attempt] = await plane.claim(agent);
    await plane.report(attempt!, 'started');
    await plane.settled(root);
    // As if it had been running for a day without a word but heartbeats.
    await sql`update attempts set claimed_at = now() - interval '1 day', started_at = now() - interval '1 day',
      lease_until = now() - interval '1 second'`.execute(plane.database.kysely);
    await plane.attempts.expireLeases();
    const held = [{ attemptId: attempt!.spec.attemptId, epoch: 1, cancelling: false }];
    expect(await plane.attempts.heartbeat(agent, held)).toMatchObject({ renewed: [attempt!.spec.attemptId] });
    await plane.attempts.expireLeases();
    const row = await plane.database.kysely.selectFrom('attempts').selectAll().executeTakeFirstOrThrow();
    // A fault of the link was seen, and has cleared itself.
    expect(row).toMatchObject({ status: 'running', unreachable_since: null });
    expect((await plane.settled(root)).get('a')!.status).toBe('running');
  });

  it('are handed out again three times beside the tries of the stage, and the fourth fails it', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(SOURCE);
    const take = async (number: number) => {
      // The row shows for a while that an attempt is queued that was claimed.
      await plane.until(root, (runs) => {
        const a = runs.get('a')!;
        return a.status === 'queued' && a.attempt === number;
      });
      return (await plane.claim(agent))[0]!;
    };
    for (let loss = 1; loss <= 3; loss += 1) {
      const attempt = await take(loss);
      expect(attempt.spec.number).toBe(loss);
      // Also one that was handed out and never started.
      if (loss !== 2) await plane.report(attempt, 'started');
      await lose();
    }
    // The losses have used up no try: a failure is tried again all the same.
    const failing = await take(4);
    expect(failing.spec.number).toBe(4);
    await plane.report(failing, 'failed');
    const last = await take(5);
    expect(last.spec.number).toBe(5);
    await lose();
    await plane.until(root, (runs) => runs.get('')!.endedAt !== null);
    const runs = await plane.runs(root);
    expect(runs.get('a')).toMatchObject({ status: 'failed', attempt: 5, error: { code: 'lost' } });
    expect(runs.get('b')).toMatchObject({ status: 'skipped', reason: 'upstream_failed' });
    expect(runs.get('')).toMatchObject({ status: 'failed', error: { code: 'lost', path: 'a' } });
    const { rows } = await sql<{ status: string }>`
      select status from attempts order by number`.execute(plane.database.kysely);
    expect(rows.map(({ status }) => status)).toEqual(['lost', 'lost', 'lost', 'failed', 'lost']);
    expect(await plane.claim(agent)).toEqual([]);
  });
});
