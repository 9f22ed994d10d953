import { newId } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { insertFacts } from '../attempts/claim.ts';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const CHAIN = `
name: chain
stages:
  - { name: a, job: { command: 'true' } }
  - { name: b, dependsOn: [a], job: { command: 'true' } }
`;
const WAIT_MS = 5000;

describeDatabases('reports taken in at once', (engine) => {
  let plane: ControlPlane;
  beforeEach(async () => {
    plane = await startControlPlane(engine, { exclusive: false });
  });
  afterEach(() => plane.end());

  const waitFor = (agentId: string, free = 10) => {
    const request = { requestId: newId('att'), free, freeGpus: 0, held: [], waitMs: WAIT_MS };
    return plane.attempts.claim(agentId, request, new AbortController().signal);
  };
  const attemptRow = (id: string) =>
    plane.database.kysely.selectFrom('attempts').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const finish = (assigned: Awaited<ReturnType<ControlPlane['claim']>>[number]) =>
    plane.report(assigned, 'completed');

  it('answers an end when what follows is committed', async () => {
    const rootId = await plane.submit(CHAIN);
    const [a] = await plane.claim(await plane.agent());
    await plane.report(a!, 'started');
    await finish(a!);
    // No waiting: the report is answered after the tick.
    const runs = await plane.runs(rootId);
    expect(runs.get('a')!.status).toBe('completed');
    expect(runs.get('b')!.status).toBe('queued');
    expect(await attemptRow(a!.spec.attemptId)).toMatchObject({ status: 'completed', exit_code: 0 });
  });

  it('stores a stage as claimed where an agent waits for it', async () => {
    const rootId = await plane.submit(CHAIN);
    const agentId = await plane.agent();
    const [a] = await plane.claim(agentId);
    const waiting = waitFor(agentId);
    await plane.report(a!, 'started');
    await finish(a!);
    const { assignments } = await waiting;
    const [b] = assignments;
    expect(assignments.map(({ spec }) => spec.stage)).toEqual(['b']);
    expect(b!.spec).toEqual((await attemptRow(b!.spec.attemptId)).spec);
    expect(await attemptRow(b!.spec.attemptId)).toMatchObject({ status: 'leased', agent_id: agentId });
    await plane.report(b!, 'started');
    await finish(b!);
    const { items } = await plane.events(rootId);
    expect(items.map(({ seq }) => seq)).toEqual(items.map((_, index) => index + 1));
    expect(items.filter(({ path }) => path === 'b').map(({ type }) => type)).toEqual([
      'run.ready',
      'run.queued',
      'attempt.claimed',
      'run.started',
      'attempt.finished',
      'run.finished',
    ]);
    expect(items.at(-1)).toMatchObject({
      runId: rootId,
      type: 'run.finished',
      data: { status: 'completed' },
    });
  });

  it('gives a repeat of a claim what the lost answer had, with a token that works', async () => {
    const rootId = await plane.submit(CHAIN);
    const agentId = await plane.agent();
    const [a] = await plane.claim(agentId);
    const gone = new AbortController();
    const request = { requestId: newId('att'), free: 10, freeGpus: 0, held: [], waitMs: WAIT_MS };
    const lost = plane.attempts.claim(agentId, request, gone.signal);
    const ended = plane.report(a!, 'started').then(() => finish(a!));
    await lost;
    gone.abort();
    await ended;
    const { assignments } = await plane.attempts.claim(agentId, request, new AbortController().signal);
    expect(assignments.map(({ spec }) => spec.stage)).toEqual(['b']);
    await plane.report(assignments[0]!, 'started');
    await finish(assignments[0]!);
    await plane.until(rootId, (runs) => runs.get('b')!.status === 'completed');
  });

  it('refuses a wrong token, and the tree goes on', async () => {
    const rootId = await plane.submit(CHAIN);
    const [a] = await plane.claim(await plane.agent());
    await plane.report(a!, 'started');
    await expect(finish({ ...a!, token: 'tya_wrong' })).rejects.toThrow('UNAUTHENTICATED');
    await finish(a!);
    await finish(a!);
    await plane.until(rootId, (runs) => runs.get('a')!.status === 'completed');
  });

  it('writes nothing of a report whose attempt somebody else has ended', async () => {
    const rootId = await plane.submit(CHAIN);
    const agentId = await plane.agent();
    const [a] = await plane.claim(agentId);
    await plane.report(a!, 'started');
    await plane.database.kysely
      .updateTable('attempts')
      .set({ status: 'lost', ended_at: new Date() })
      .where('id', '=', a!.spec.attemptId)
      .execute();
    await expect(finish(a!)).rejects.toThrow('ATTEMPT_FENCED');
    expect((await plane.runs(rootId)).get('a')!.status).toBe('running');
    const lost = {
      kind: 'finished',
      node: 1,
      attempt: 1,
      at: 1,
      outcome: 'lost',
      exitCode: null,
      signal: null,
    };
    await plane.tell(rootId, { ...lost, error: null, outputs: null, datasets: [] });
    await plane.until(rootId, (runs) => runs.get('a')!.attempt === 2 && runs.get('a')!.status === 'queued');
    const [again] = await plane.claim(agentId);
    await plane.report(again!, 'started');
    await finish(again!);
    await plane.until(rootId, (runs) => runs.get('b')!.status === 'queued');
  });

  it('takes a report through the inbox when the tree belongs to another server', async () => {
    const rootId = await plane.submit(CHAIN);
    const [a] = await plane.claim(await plane.agent());
    await plane.report(a!, 'started');
    await plane.database.kysely.deleteFrom('servers').execute();
    await plane.otherServer();
    await finish(a!);
    await plane.until(rootId, (runs) => runs.get('b')!.status === 'queued');
    const { items } = await plane.events(rootId);
    expect(items.filter(({ path }) => path === 'a').map(({ type }) => type)).toEqual([
      'run.ready',
      'run.queued',
      'attempt.claimed',
      'run.started',
      'attempt.finished',
      'run.finished',
    ]);
  });

  it('leaves attempts with limits to the claim', async () => {
    await plane.database.kysely.insertInto('pools').values({ name: 'p', slots: 1 }).execute();
    const rootId = await plane.submit(`
name: limited
stages:
  - { name: a, job: { command: 'true' } }
  - { name: b, dependsOn: [a], pools: [p], job: { command: 'true' } }
  - { name: c, dependsOn: [a], pools: [p], job: { command: 'true' } }
`);
    const agentId = await plane.agent();
    const [a] = await plane.claim(agentId);
    const waiting = waitFor(agentId);
    await plane.report(a!, 'started');
    await finish(a!);
    expect((await waiting).assignments).toHaveLength(1);
    expect((await plane.claim(agentId)).length).toBe(0);
    await plane.until(rootId, (runs) => runs.get('b')!.status === 'starting');
  });

  it('gives no more than an agent has room for', async () => {
    await plane.submit(`
name: fan
stages:
  - { name: a, job: { command: 'true' } }
  - { name: b, dependsOn: [a], job: { command: 'true' } }
  - { name: c, dependsOn: [a], job: { command: 'true' } }
  - { name: d, dependsOn: [a], job: { command: 'true', queue: other } }
`);
    const agentId = await plane.agent();
    const [a] = await plane.claim(agentId);
    const waiting = waitFor(agentId, 1);
    await plane.report(a!, 'started');
    await finish(a!);
    expect((await waiting).assignments).toHaveLength(1);
    expect((await plane.claim(agentId)).map(({ spec }) => spec.stage)).toHaveLength(1);
    const other = await plane.agent({ queues: ['other'] });
    expect((await plane.claim(other)).map(({ spec }) => spec.stage)).toEqual(['d']);
  });

  it.each([
    ['paused', { kind: 'pause', node: 0, at: 1, mode: 'auto' }],
    ['cancelled', { kind: 'cancel', node: 0, at: 1, reason: 'test' }],
  ])('gives no call what is %s as soon as it is there', async (status, wish) => {
    const rootId = await plane.submit(CHAIN);
    const agentId = await plane.agent();
    const [a] = await plane.claim(agentId);
    await plane.report(a!, 'started');
    await plane.settled(rootId);
    const gone = new AbortController();
    const request = { requestId: newId('att'), free: 10, freeGpus: 0, held: [], waitMs: WAIT_MS };
    const waiting = plane.attempts.claim(agentId, request, gone.signal);
    await expect.poll(() => plane.openCalls.isEmpty).toBe(false);
    const ended = {
      kind: 'finished',
      node: 1,
      attempt: 1,
      at: 1,
      outcome: 'completed',
      exitCode: 0,
      signal: null,
    };
    // Both in one tick: the stage that follows comes to be and is held back at once.
    await insertFacts(
      plane.database.kysely,
      [{ ...ended, error: null, outputs: null, datasets: [] }, wish].map((event) => ({
        root_id: rootId,
        event,
      })),
    );
    plane.bus.emit('inbox');
    await plane.until(rootId, (runs) => runs.get('b')!.status === status);
    gone.abort();
    expect((await waiting).assignments).toEqual([]);
    const { items } = await plane.events(rootId);
    expect(items.filter(({ path, type }) => path === 'b' && type === 'attempt.claimed')).toEqual([]);
  });
});
