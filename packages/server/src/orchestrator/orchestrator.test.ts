import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const CHAIN = `
name: chain
stages:
  - { name: a, job: { command: 'true' } }
  - { name: b, dependsOn: [a], job: { command: 'true' } }
`;

const NESTED = `
name: nested
stages:
  - name: outer
    pipeline:
      stages:
        - { name: one, job: { command: 'true' } }
        - { name: two, job: { command: 'true' } }
  - name: last
    dependsOn: [outer]
    params: { winner: '\${{ stages.outer.outputs.one.score }}' }
    job: { command: 'echo \${{ stages.outer.outputs.one.score }}' }
`;

describeDatabases('the durable path', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  it('runs a chain to its end and counts its stages', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(CHAIN);
    for (const name of ['a', 'b']) {
      const [assigned] = await plane.claim(agent);
      expect(assigned!.spec).toMatchObject({
        stage: name,
        number: 1,
        epoch: 1,
        command: 'true',
        workingDir: '/somewhere',
      });
      await plane.report(assigned!, 'started');
      expect((await plane.settled(root)).get(name)!.status).toBe('running');
      await plane.report(assigned!, 'completed');
      await plane.settled(root);
    }
    const runs = await plane.settled(root);
    expect([...runs.values()].map((run) => run.status)).toEqual(['completed', 'completed', 'completed']);
    expect(runs.get('')!.endedAt).not.toBeNull();
    const tree = await plane.database.kysely.selectFrom('trees').selectAll().executeTakeFirstOrThrow();
    expect(tree).toMatchObject({ status: 'completed', counts: { completed: 2 } });
    expect(plane.orchestrator.ownedTrees).toBe(0);
  });

  it('numbers events without gaps, each stage ready before started before finished', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(CHAIN);
    for (let stage = 0; stage < 2; stage += 1) {
      const [assigned] = await plane.claim(agent);
      await plane.report(assigned!, 'started');
      await plane.report(assigned!, 'completed');
      await plane.settled(root);
    }
    const events = await plane.database.kysely.selectFrom('events').selectAll().orderBy('seq').execute();
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    const b = (await plane.runs(root)).get('b')!.id;
    expect(events.filter((event) => event.run_id === b).map((event) => event.type)).toEqual([
      'run.ready',
      'run.queued',
      'attempt.claimed',
      'run.started',
      'attempt.finished',
      'run.finished',
    ]);
  });

  it('hands outputs of a nested pipeline to a later stage', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(NESTED);
    for (const assigned of await plane.claim(agent)) {
      await plane.report(assigned, 'completed', {
        outputs: { score: assigned.spec.stage === 'outer/one' ? 0.5 : 0.25 },
      });
    }
    const settled = await plane.settled(root);
    expect(settled.get('outer')!.outputs).toEqual({ one: { score: 0.5 }, two: { score: 0.25 } });
    const [last] = await plane.claim(agent);
    expect(last!.spec.params).toEqual({ winner: 0.5 });
    expect(last!.spec.command).toBe('echo 0.5');
  });

  it('skips what depends on a failed stage and names the failure at the root', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(CHAIN);
    const [assigned] = await plane.claim(agent);
    await plane.report(assigned!, 'failed');
    const runs = await plane.settled(root);
    expect(runs.get('a')).toMatchObject({
      status: 'failed',
      error: { code: 'exit_code', message: 'exit code 1' },
    });
    expect(runs.get('b')).toMatchObject({ status: 'skipped', reason: 'upstream_failed' });
    expect(runs.get('')).toMatchObject({ status: 'failed', error: { path: 'a' } });
  });

  it('starts a new attempt after a failure that may be retried', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(
      "name: r\nstages:\n  - { name: a, job: { command: 'true' }, retry: { attempts: 2, backoff: 20ms } }\n",
    );
    const [first] = await plane.claim(agent);
    await plane.report(first!, 'failed');
    const second = await eventually(async () => (await plane.claim(agent))[0]);
    expect(second.spec).toMatchObject({ number: 2, epoch: 2, runId: first!.spec.runId });
    await plane.report(second, 'completed');
    const run = (await plane.settled(root)).get('a')!;
    expect(run).toMatchObject({ status: 'completed', attempt: 2, error: null });
  });

  it('gives the same attempts to a repeated claim, with a token that works (19)', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(CHAIN);
    const request = { requestId: 'request-0001', free: 5, freeGpus: 0, held: [], waitMs: 0 };
    const { signal } = new AbortController();
    const lost = await plane.attempts.claim(agent, request, signal);
    const again = await plane.attempts.claim(agent, request, signal);
    expect(again.assignments.map((a) => a.spec.attemptId)).toEqual(
      lost.assignments.map((a) => a.spec.attemptId),
    );
    await plane.report(again.assignments[0]!, 'completed');
    expect((await plane.settled(root)).get('a')!.status).toBe('completed');
    await expect(plane.report(lost.assignments[0]!, 'completed')).rejects.toThrow('UNAUTHENTICATED');
  });

  it('hands out again at once what an agent never learned that it has', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(CHAIN);
    const { signal } = new AbortController();
    const request = { free: 5, freeGpus: 0, held: [], waitMs: 0 };
    // The answer is lost, and so is the agent's memory of having asked.
    await plane.attempts.claim(agent, { ...request, requestId: 'request-0001' }, signal);
    await sql`update attempts set claimed_at = claimed_at - interval '6 seconds'`.execute(
      plane.database.kysely,
    );
    const registered = await plane.attempts.register({ ...AGENT, agentId: agent });
    expect(registered.agentId).toBe(agent);
    const next = await eventually(async () => {
      const requestId = `request-${Math.random()}`;
      return (await plane.attempts.claim(agent, { ...request, requestId }, signal)).assignments[0];
    });
    expect(next.spec).toMatchObject({ stage: 'a', number: 2 });
    await plane.report(next, 'completed');
    expect((await plane.settled(root)).get('a')!.status).toBe('completed');
  });

  it('goes on with all other trees while one cannot be written, and with that one when it can', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const [bad, good] = [await plane.submit(CHAIN), await plane.submit(CHAIN)];
    const { kysely } = plane.database;
    await sql`alter table runs add constraint poison check (root_id <> ${sql.lit(bad)} or status <> 'completed')
      not valid`.execute(kysely);
    for (const assigned of await plane.claim(agent)) await plane.report(assigned, 'completed');
    expect((await plane.settled(good)).get('a')!.status).toBe('completed');
    const [next] = await plane.claim(agent);
    expect(next!.spec.rootId).toBe(good);
    await plane.report(next!, 'completed');
    expect((await plane.settled(good)).get('')!.status).toBe('completed');
    expect((await plane.runs(bad)).get('')!.endedAt).toBeNull();
    await sql`alter table runs drop constraint poison`.execute(kysely);
    expect((await plane.settled(bad)).get('a')!.status).toBe('completed');
  });

  it('lets no tree starve the others by thousands of facts that cannot be taken in', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const [bad, good] = [await plane.submit(CHAIN), await plane.submit(CHAIN)];
    const { kysely } = plane.database;
    await sql`alter table trees add constraint poison check (root_id <> ${sql.lit(bad)} or event_seq < 100)
      not valid`.execute(kysely);
    const fact = { kind: 'metrics_problem', node: 1, at: 0, offset: 0, problem: 'x' };
    await sql`insert into tree_inbox (root_id, event)
      select ${bad}, ${JSON.stringify(fact)}::jsonb from generate_series(1, 5000)`.execute(kysely);
    const [, second] = await plane.claim(agent);
    expect(second!.spec.rootId).toBe(good);
    await plane.report(second!, 'completed');
    expect((await plane.settled(good)).get('a')!.status).toBe('completed');
    await sql`alter table trees drop constraint poison`.execute(kysely);
    await plane.settled(bad);
  });

  it('never gives one attempt to two agents (20)', async () => {
    plane = await startControlPlane(engine);
    const stages = Array.from({ length: 60 }, (_, i) => `  - { name: s${i}, job: { command: 'true' } }`).join(
      '\n',
    );
    await plane.submit(`name: wide\nmaxParallel: 100\nstages:\n${stages}\n`);
    const agents = await Promise.all(Array.from({ length: 4 }, () => plane.agent()));
    const claims = await Promise.all(Array.from({ length: 20 }, (_, i) => plane.claim(agents[i % 4]!, 5)));
    const ids = claims.flat().map((assigned) => assigned.spec.attemptId);
    expect(ids.length).toBe(60);
    expect(new Set(ids).size).toBe(60);
  });

  it('cancels queued stages at once and tells the agent of running ones (5)', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(
      "name: c\nstages:\n  - { name: a, job: { command: 'true' } }\n  - { name: b, job: { command: 'true' } }\n",
    );
    const [running] = await plane.claim(agent, 1);
    await plane.report(running!, 'started');
    await cancel(plane, root);
    const waiting = await eventually(async () => {
      const runs = await plane.settled(root);
      return runs.get('b')!.status === 'cancelled' ? runs : undefined;
    });
    expect(waiting.get('a')!.status).toBe('cancelling');
    const held = [{ attemptId: running!.spec.attemptId, epoch: 1, cancelling: false }];
    const { commands } = await plane.attempts.heartbeat(agent, held);
    expect(commands).toEqual([{ attemptId: running!.spec.attemptId, epoch: 1, action: 'cancel' }]);
    await plane.report(running!, 'cancelled');
    const ended = await plane.settled(root);
    expect([...ended.values()].map((run) => run.status)).toEqual(['cancelled', 'cancelled', 'cancelled']);
  });

  it('declares an attempt lost after lease and grace, starts the next and fences the old one (18)', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(CHAIN);
    const [old] = await plane.claim(agent);
    await plane.report(old!, 'started');
    await sql`update attempts set lease_until = now() - interval '1 second'`.execute(plane.database.kysely);
    await plane.attempts.expireLeases();
    const unreachable = await plane.database.kysely
      .selectFrom('attempts')
      .selectAll()
      .executeTakeFirstOrThrow();
    expect(unreachable.status).toBe('running');
    expect(unreachable.unreachable_since).not.toBeNull();
    await sql`update attempts set lease_until = now() - interval '1 hour'`.execute(plane.database.kysely);
    await plane.attempts.expireLeases();
    const next = await eventually(async () => (await plane.claim(agent))[0]);
    expect(next.spec.number).toBe(2);
    await expect(plane.report(old!, 'completed')).rejects.toThrow('ATTEMPT_FENCED');
    // Kept as evidence, and nothing else.
    const { rows } = await sql<{ status: string; late_report: unknown }>`
      select status, late_report from attempts where number = 1`.execute(plane.database.kysely);
    expect(rows[0]).toMatchObject({ status: 'lost', late_report: { outcome: 'completed', exitCode: 0 } });
    const held = [{ attemptId: old!.spec.attemptId, epoch: 1, cancelling: false }];
    expect((await plane.attempts.heartbeat(agent, held)).commands[0]!.action).toBe('discard');
    await plane.report(next, 'completed');
    expect((await plane.settled(root)).get('a')).toMatchObject({ status: 'completed', attempt: 2 });
  });

  it('answers a repeated finish report ok and refuses another outcome (6)', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    await plane.submit(CHAIN);
    const [assigned] = await plane.claim(agent);
    await plane.report(assigned!, 'completed');
    await plane.report(assigned!, 'completed');
    await expect(plane.report(assigned!, 'failed')).rejects.toThrow('ATTEMPT_FENCED');
  });

  it('keeps a success although its clean-up failed, with the fault beside it (39)', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(CHAIN);
    const [assigned] = await plane.claim(agent);
    await plane.report(assigned!, 'completed', { cleanupError: 'still alive: 4711 (state D)' });
    expect((await plane.settled(root)).get('a')).toMatchObject({ status: 'completed', error: null });
    const attempt = await plane.database.kysely.selectFrom('attempts').selectAll().executeTakeFirstOrThrow();
    expect(attempt).toMatchObject({ status: 'completed', cleanup_error: 'still alive: 4711 (state D)' });
  });

  it('records dataset versions with the finish report', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(CHAIN);
    const [assigned] = await plane.claim(agent);
    const sha256 = 'a'.repeat(64);
    const dataset = {
      name: 'digits',
      path: '/tmp/digits.jsonl',
      role: 'output',
      rows: 10,
      sha256,
      sizeBytes: 99,
    };
    await plane.report(assigned!, 'completed', { datasets: [dataset] });
    await plane.settled(root);
    const versions = await plane.database.kysely.selectFrom('dataset_versions').selectAll().execute();
    expect(versions).toMatchObject([{ name: 'digits', sha256, size_bytes: 99, rows: 10 }]);
    const uses = await plane.database.kysely.selectFrom('run_datasets').selectAll().execute();
    expect(uses).toMatchObject([{ run_id: assigned!.spec.runId, role: 'output' }]);
  });

  it('stores one run for one idempotency key and refuses another request with it', async () => {
    plane = await startControlPlane(engine);
    const first = await plane.submit(CHAIN, { idempotencyKey: 'k1' });
    expect(await plane.submit(CHAIN, { idempotencyKey: 'k1' })).toBe(first);
    await expect(plane.submit(NESTED, { idempotencyKey: 'k1' })).rejects.toThrow('idempotency key "k1"');
    const trees = await plane.database.kysely.selectFrom('trees').select('root_id').execute();
    expect(trees).toEqual([{ root_id: first }]);
  });

  it('fails a stage whose expression has no value, naming it', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(NESTED);
    for (const assigned of await plane.claim(agent)) await plane.report(assigned, 'completed');
    const runs = await plane.settled(root);
    expect(runs.get('last')).toMatchObject({ status: 'failed', error: { code: 'expression' } });
    expect(runs.get('last')!.error!.message).toContain('stages.outer.outputs.one.score');
    expect(runs.get('')!.status).toBe('failed');
  });

  it('goes on after a take-over where the dead server stopped, and the old owner can write nothing', async () => {
    plane = await startControlPlane(engine, { exclusive: false });
    const agent = await plane.agent();
    const root = await plane.submit(CHAIN);
    const [assigned] = await plane.claim(agent);
    await plane.report(assigned!, 'completed');
    await plane.settled(root);
    // The first server does not answer any more, but does not know it.
    await sql`update servers set lease_until = now() - interval '1 second'`.execute(plane.database.kysely);
    const other = await plane.otherServer();
    expect(other.ownedTrees).toBe(1);
    const [second] = await plane.claim(agent);
    expect(second!.spec.stage).toBe('b');
    await plane.report(second!, 'completed');
    const runs = await eventually(async () => {
      const now = await plane.settled(root);
      return now.get('')!.endedAt === null ? undefined : now;
    });
    expect([...runs.values()].map((run) => run.status)).toEqual(['completed', 'completed', 'completed']);
    const events = await plane.database.kysely
      .selectFrom('events')
      .select(['seq', 'type'])
      .orderBy('seq')
      .execute();
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.filter((event) => event.type === 'run.finished').length).toBe(3);
  });
});

const AGENT = {
  name: 'test',
  hostname: 'test',
  version: '0',
  bootId: 'b',
  slots: 5,
  gpus: 0,
  queues: ['default'],
  labels: {},
};

async function cancel(plane: ControlPlane, root: string): Promise<void> {
  const event = JSON.stringify({ kind: 'cancel', node: 0, at: Date.now(), reason: 'test' });
  await sql`insert into tree_inbox (root_id, event) values (${root}, ${event}::jsonb)`.execute(
    plane.database.kysely,
  );
  plane.bus.emit('inbox');
}

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error('it did not happen within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
