import { report as reportSchema } from '@trainyard/protocol';
import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const SOURCE = `
name: patient
deadline: 1h
stages:
  - { name: a, job: { command: 'true' } }
  - { name: b, dependsOn: [a], job: { command: 'true' } }
`;

describeDatabases('a pause', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  type Assigned = Awaited<ReturnType<ControlPlane['claim']>>[number];

  const pause = (root: string, node: number, mode = 'auto') =>
    plane.tell(root, { kind: 'pause', node, at: Date.now(), mode });
  const resume = (root: string, node: number) => plane.tell(root, { kind: 'resume', node, at: Date.now() });

  /** What a heartbeat tells the agent about an attempt. */
  async function commands(agent: string, { spec }: Assigned, pausing?: 'auto' | 'freeze' | 'release') {
    const held = { attemptId: spec.attemptId, epoch: spec.epoch, cancelling: false };
    const answer = await plane.attempts.heartbeat(agent, [{ ...held, ...(pausing && { pausing }) }]);
    return answer.commands.map(({ action, mode }) => [action, mode]);
  }

  async function halt({ spec, token }: Assigned, kind: 'paused' | 'resumed') {
    const base = { attemptId: spec.attemptId, epoch: spec.epoch, token, at: Date.now() };
    const given = kind === 'paused' ? { kind, ...base, mode: 'freeze' } : { kind, ...base };
    return (await plane.attempts.report([reportSchema.parse(given)]))[0]!;
  }

  it('of a run halts what runs, shows it once the agent says so, and starts nothing until it goes on', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(SOURCE);
    const [a] = await plane.claim(agent);
    await plane.report(a!, 'started');
    await pause(root, 0, 'freeze');
    const asked = await plane.settled(root);
    expect([asked.get('')!.status, asked.get('a')!.status]).toEqual(['paused', 'running']);
    expect(await commands(agent, a!)).toEqual([['pause', 'freeze']]);
    expect(await commands(agent, a!, 'freeze')).toEqual([]);
    await halt(a!, 'paused');
    expect(await halt(a!, 'paused')).toMatchObject({ ok: true });
    expect((await plane.settled(root)).get('a')!.status).toBe('paused');
    // It may end all the same; what depends on it waits.
    await plane.report(a!, 'completed');
    expect((await plane.settled(root)).get('b')!.status).toBe('pending');
    await resume(root, 0);
    await plane.until(root, (runs) => runs.get('b')!.status === 'queued');
    expect((await plane.runs(root)).get('')!.status).toBe('running');
    const types = (await plane.events(root)).items.map(({ type }) => type);
    expect(types.filter((type) => type.startsWith('run.pause') || type.startsWith('run.resume'))).toEqual([
      'run.pause_requested',
      'run.paused',
      'run.paused',
      'run.resume_requested',
      'run.resumed',
    ]);
  });

  it('of a stage before its turn says why it does not start, until it may', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(SOURCE);
    const [a] = await plane.claim(agent);
    await plane.report(a!, 'started');
    for (const resumed of [2, 0]) {
      await pause(root, 2);
      const why = (await plane.settled(root)).get('b')!;
      expect([why.status, why.reason]).toEqual(['pending', 'paused before its turn']);
      await resume(root, resumed);
      expect((await plane.settled(root)).get('b')!.reason).toBeNull();
    }
    await pause(root, 2);
    await plane.report(a!, 'completed');
    expect((await plane.settled(root)).get('b')!.status).toBe('pending');
    await resume(root, 2);
    await plane.until(root, (runs) => runs.get('b')!.status === 'queued');
    expect((await plane.runs(root)).get('b')!.reason).toBeNull();
  });

  it('of a stage goes on with its program when it is over', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(SOURCE);
    const [a] = await plane.claim(agent);
    await plane.report(a!, 'started');
    for (let cycle = 0; cycle < 3; cycle += 1) {
      await pause(root, 1);
      await plane.settled(root);
      await halt(a!, 'paused');
      expect((await plane.settled(root)).get('a')!.status).toBe('paused');
      await resume(root, 1);
      await plane.settled(root);
      expect(await commands(agent, a!, 'auto')).toEqual([['resume', undefined]]);
      await halt(a!, 'resumed');
      expect((await plane.settled(root)).get('a')!.status).toBe('running');
    }
  });

  it('keeps what waits in a queue from being handed out, and gives it back its place', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(SOURCE);
    await pause(root, 1);
    await plane.until(root, (runs) => runs.get('a')!.status === 'paused');
    expect(await plane.claim(agent)).toEqual([]);
    await resume(root, 1);
    await plane.until(root, (runs) => runs.get('a')!.status === 'queued');
    expect(await plane.claim(agent)).toHaveLength(1);
  });

  it('ends with a cancel, also of what waits in a queue', async () => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(SOURCE);
    await pause(root, 0);
    await plane.until(root, (runs) => runs.get('a')!.status === 'paused');
    await plane.tell(root, { kind: 'cancel', node: 0, at: Date.now(), reason: 'enough' });
    await plane.until(root, (runs) => runs.get('')!.status === 'cancelled');
  });

  it('is still there after a restart of the server (36)', async () => {
    plane = await startControlPlane(engine, { exclusive: false });
    const agent = await plane.agent();
    const root = await plane.submit(SOURCE);
    const [a] = await plane.claim(agent);
    await plane.report(a!, 'started');
    await pause(root, 0);
    await plane.settled(root);
    await halt(a!, 'paused');
    await plane.settled(root);
    await plane.orchestrator.stop();
    const other = await plane.otherServer();
    await other.tick();
    await plane.report(a!, 'completed');
    await other.tick();
    const runs = await plane.runs(root);
    expect([runs.get('')!.status, runs.get('a')!.status, runs.get('b')!.status]).toEqual([
      'paused',
      'completed',
      'pending',
    ]);
    await resume(root, 0);
    await plane.until(root, (now) => now.get('b')!.status === 'queued');
  });

  it('with release frees the slot, and the next attempt goes on from the checkpoint on the same agent (33)', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const other = await plane.agent();
    const root = await plane.submit(SOURCE);
    const [a] = await plane.claim(agent);
    await plane.report(a!, 'started');
    await pause(root, 1, 'release');
    await plane.settled(root);
    const checkpoint = { path: '/data/step-7.json', step: 7 };
    await plane.report(a!, 'cancelled', { outcome: 'released', checkpoint });
    expect((await plane.settled(root)).get('a')).toMatchObject({ status: 'paused', attempt: 1 });
    await resume(root, 1);
    await plane.until(root, (runs) => runs.get('a')!.status === 'queued');
    expect(await plane.claim(other)).toEqual([]);
    const [next] = await plane.claim(agent);
    expect(next!.spec).toMatchObject({ number: 2, resumeFrom: checkpoint });
    await plane.report(next!, 'started');
    await plane.report(next!, 'completed');
    await plane.until(root, (runs) => runs.get('b')!.status === 'queued');
    const { rows } = await sql<{ status: string }>`
      select status from attempts where number = 1 and node_index = 1`.execute(plane.database.kysely);
    expect(rows).toEqual([{ status: 'released' }]);
  });

  it('also goes on from the checkpoint when the time or the nodes were taken from it', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const root = await plane.submit(SOURCE);
    const checkpoint = { path: '/data/step-9.json', step: 9 };
    const ends = [{ checkpoint }, {}];
    for (const [at, more] of ends.entries()) {
      await plane.until(root, (runs) => runs.get('a')!.status === 'queued');
      const [a] = await plane.claim(agent);
      // The second one saved nothing itself.
      expect(a!.spec.resumeFrom).toEqual(at === 0 ? undefined : checkpoint);
      await plane.report(a!, 'started');
      await plane.report(a!, 'failed', { error: { code: 'time_limit', message: 'up' }, ...more });
    }
    await plane.until(root, (runs) => runs.get('a')!.status === 'queued');
    const [last] = await plane.claim(agent);
    expect(last!.spec).toMatchObject({ number: 3, resumeFrom: checkpoint });
  });

  it('lets the time that people have for an approval stand still', async () => {
    plane = await startControlPlane(engine);
    const root = await plane.submit(`
name: ask
stages:
  - { name: ok, approval: { message: Ship it?, timeout: 400ms, onTimeout: reject } }
`);
    await pause(root, 1);
    await plane.until(root, (runs) => runs.get('ok')!.status === 'paused');
    const before = await timeoutOf(root);
    // Longer than its timeout.
    await plane.until(root, () => Date.now() > before + 200);
    expect((await plane.runs(root)).get('ok')!.status).toBe('paused');
    await resume(root, 1);
    await plane.until(root, (runs) => runs.get('ok')!.status === 'waiting');
    expect((await timeoutOf(root)) - before).toBeGreaterThan(200);
    await plane.until(root, (runs) => runs.get('ok')!.status === 'timed_out');
  });

  async function timeoutOf(root: string): Promise<number> {
    const row = await plane.database.kysely
      .selectFrom('approvals')
      .select('timeout_at')
      .where('root_id', '=', root)
      .executeTakeFirstOrThrow();
    return row.timeout_at!.getTime();
  }
});
