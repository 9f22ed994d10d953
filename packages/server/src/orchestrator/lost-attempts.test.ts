import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { LeaseJudge } from '../attempts/leases.ts';
import { takeBackUnheld } from '../attempts/take-back-unheld.ts';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const SOURCE = `
name: unlucky
stages:
  - { name: a, retry: { attempts: 2, backoff: 0 }, job: { command: 'true' } }
  - { name: b, dependsOn: [a], job: { command: 'true' } }
`;

const ONE_TRY = `
name: unlucky
stages: [{ name: a, job: { command: 'true' } }]
`;

const AGENT = {
  name: 'test',
  hostname: 'test',
  version: '0',
  bootId: 'b',
  slots: 10,
  gpus: 0,
  queues: ['default', 'other'],
  labels: {},
};

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
    const { rows } = await sql<{ status: string; code: string }>`
      select status, error ->> 'code' as code from attempts order by number`.execute(plane.database.kysely);
    const ends = rows.map(({ status, code }) => `${status} ${code}`);
    expect(ends).toEqual(['lost lost', 'lost lost', 'lost lost', 'failed exit_code', 'lost lost']);
    expect(await plane.claim(agent)).toEqual([]);
  });

  it('are none after a time in which the server stood still: nobody could renew a lease (37)', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(ONE_TRY);
    const [attempt] = await plane.claim(agent);
    const { kysely } = plane.database;
    const outlast = () =>
      sql`update attempts set lease_until = now() - interval '1 hour'`.execute(kysely).then(() => undefined);
    // Any time between two looks counts as standing still.
    const judge = new LeaseJudge(kysely, { longestGapMs: -1 });
    for (const look of ['the first', 'a later one']) {
      await outlast();
      expect(await judge.look(), look).toMatchObject({ facts: 0, stoodStillMs: expect.any(Number) });
      const left = await sql<{ seconds: number }>`
        select extract(epoch from lease_until - now())::int as seconds from attempts`.execute(kysely);
      expect(left.rows[0]!.seconds, look).toBeGreaterThan(50);
    }
    await plane.report(attempt!, 'completed');
    await plane.until(root, (runs) => runs.get('a')!.status === 'completed');
  });

  /** The agent was killed before it had on disk what it claimed, and a new one is there. */
  async function killBeforeDelivery(agent: string): Promise<void> {
    await sql`update attempts set claimed_at = claimed_at - interval '6 seconds' where status = 'leased'`.execute(
      plane.database.kysely,
    );
    await plane.attempts.register({ ...AGENT, agentId: agent });
  }

  it('are no losses when nothing ran: what never reached its agent is handed out again, and says so', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(ONE_TRY);
    for (let number = 1; number <= 6; number += 1) {
      await plane.until(root, (runs) => runs.get('a')!.attempt === number);
      const [attempt] = await plane.claim(agent);
      expect(attempt?.spec.number).toBe(number);
      await killBeforeDelivery(agent);
      // The first call of the new agent.
      await plane.claim(agent, 0);
    }
    await plane.until(root, (runs) => runs.get('a')!.attempt === 7);
    const [last] = await plane.claim(agent);
    await plane.report(last!, 'started');
    await plane.report(last!, 'completed');
    await plane.until(root, (runs) => runs.get('')!.endedAt !== null);
    expect((await plane.runs(root)).get('a')).toMatchObject({ status: 'completed', attempt: 7, error: null });
    const { rows } = await sql<{ status: string; code: string | null }>`
      select status, error ->> 'code' as code from attempts order by number`.execute(plane.database.kysely);
    expect(rows.slice(0, 6)).toEqual(Array(6).fill({ status: 'lost', code: 'never_delivered' }));
    const { items } = await plane.events(root);
    expect(items.filter(({ type }) => type === 'run.retry_scheduled')).toHaveLength(6);
  });

  it('end the stage all the same when it cannot be delivered time and again', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(ONE_TRY);
    const BUDGETS = 10 + 3;
    for (let number = 1; number <= BUDGETS + 1; number += 1) {
      await plane.until(root, (runs) => runs.get('a')!.attempt === number);
      await plane.claim(agent);
      await killBeforeDelivery(agent);
      await plane.claim(agent, 0);
    }
    await plane.until(root, (runs) => runs.get('')!.endedAt !== null);
    expect((await plane.runs(root)).get('a')).toMatchObject({
      status: 'failed',
      attempt: BUDGETS + 1,
      error: { code: 'lost', message: expect.stringContaining('never got the attempt') },
    });
  });

  it('are not those on their way to another lane of the agent, nor those assigned since it said what it holds', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent({ queues: ['default', 'other'] });
    const root = await plane.submit(ONE_TRY);
    const { signal } = new AbortController();
    const call = { queues: ['default'], free: 5, freeGpus: 0, held: [], waitMs: 0 };
    const first = { ...call, requestId: 'request-of-first-lane' };
    const other = { ...call, queues: ['other'], requestId: 'request-of-other-lane' };
    const { assignments } = await plane.attempts.claim(agent, first, signal);
    expect(assignments).toHaveLength(1);
    await killBeforeDelivery(agent);
    // The answer is on its way for six seconds now; the agent stands still, say.
    await plane.attempts.claim(agent, { ...other, openRequests: [first.requestId] }, signal);
    // A call that has waited for longer than that.
    await takeBackUnheld(plane.database.kysely, {
      id: agent,
      heldIds: [],
      openRequests: [other.requestId],
      saidAgoMs: 20_000,
    });
    await plane.report(assignments[0]!, 'completed');
    expect((await plane.settled(root)).get('a')).toMatchObject({ status: 'completed', attempt: 1 });
  });
});
