import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { DueTimers } from './due-timers.ts';
import { type ControlPlane, startControlPlane } from './testing/control-plane.ts';

const HOUR_MS = 3_600_000;
const LIMITED = `
name: limited
deadline: 1h
stages:
  - { name: a, job: { command: 'true' } }
`;
const NESTED = `
name: nested
stages:
  - name: inner
    timeout: 1h
    pipeline: { stages: [{ name: a, job: { command: 'true' } }] }
  - { name: after, dependsOn: [inner], job: { command: 'true' } }
`;

describeDatabases('ends that are heard of late', (engine) => {
  let plane: ControlPlane;
  beforeEach(async () => {
    plane = await startControlPlane(engine, { exclusive: false });
  });
  afterEach(() => plane.end());

  /** Lets a server that is away be away for two hours more. */
  const passTwoHours = () =>
    sql`update runs set started_at = started_at - interval '2 hours',
      planner = jsonb_set(planner::jsonb, '{startedAt}', to_jsonb((planner->>'startedAt')::float8 - ${2 * HOUR_MS}::float8))
      where started_at is not null`.execute(plane.database.kysely);

  /** Starts the only job; then the server is away until its deadline has passed. */
  async function outliveServer(yaml: string) {
    const agentId = await plane.agent();
    const rootId = await plane.submit(yaml);
    const [job] = await plane.claim(agentId);
    await plane.report(job!, 'started');
    await plane.settled(rootId);
    await plane.orchestrator.stop();
    await passTwoHours();
    await plane.otherServer();
    const running = [...(await plane.runs(rootId)).values()].find(({ name }) => name === 'a')!;
    const startedAt = Date.parse(running.startedAt!);
    return { rootId, agentId, job: job!, startedAt };
  }

  it('counts an end before the deadline although the server was away then, and tells when it was', async () => {
    const { rootId, job, startedAt } = await outliveServer(LIMITED);
    // The time limit is due in each round, and waits for what the agent has to tell.
    await untilPassed(Date.now() + 1200);
    expect((await plane.runs(rootId)).get('')!.status).toBe('running');
    await plane.report(job, 'completed', { at: startedAt + 300 });
    await plane.until(rootId, (runs) => runs.get('')!.endedAt !== null);
    const runs = await plane.runs(rootId);
    for (const path of ['', 'a']) {
      expect(runs.get(path)).toMatchObject({
        status: 'completed',
        endedAt: new Date(startedAt + 300).toISOString(),
      });
    }
    const { items } = await plane.events(rootId);
    const ended = items.filter(({ type }) => type === 'run.finished');
    expect(ended.map(({ at }) => Date.parse(at))).toEqual([startedAt + 300, startedAt + 300]);
    for (const { data } of ended) expect(data['durationMs']).toBeLessThanOrEqual(HOUR_MS);
  });

  it('lets what follows a nested pipeline run that had ended within its timeout', async () => {
    const { rootId, agentId, job, startedAt } = await outliveServer(NESTED);
    await plane.report(job, 'completed', { at: startedAt + 300 });
    await plane.until(rootId, (runs) => runs.get('after')!.status === 'queued');
    expect((await plane.runs(rootId)).get('inner')).toMatchObject({ status: 'completed', error: null });
    expect((await plane.claim(agentId)).map(({ spec }) => spec.stage)).toEqual(['after']);
  });

  it('ends what runs when the agent has been heard of and tells of no end', async () => {
    const { rootId, agentId } = await outliveServer(LIMITED);
    await plane.attempts.heartbeat(agentId, []);
    await plane.until(rootId, (runs) => runs.get('a')!.status === 'cancelling');
    expect((await plane.runs(rootId)).get('')!.status).toBe('cancelling');
  });

  it('times out when the end was after the deadline', async () => {
    const { rootId, job, startedAt } = await outliveServer(LIMITED);
    await plane.report(job, 'completed', { at: startedAt + HOUR_MS + 100 });
    await plane.until(rootId, (runs) => runs.get('')!.endedAt !== null);
    expect((await plane.runs(rootId)).get('')!.status).toBe('timed_out');
  });

  it('waits likewise after a time in which the server stood still, with limits of jobs only', async () => {
    const rootId = await plane.submit(LIMITED);
    const [job] = await plane.claim(await plane.agent());
    await plane.report(job!, 'started');
    const timers = new DueTimers(plane.database.kysely);
    const take = async (atMs: number) =>
      (await timers.takeWithFacts(atMs, async () => [])).timers.map(({ kind }) => kind);
    const add = (kind: 'deadline' | 'retry') =>
      timers.add({ rootId, atMs: 1, node: 0, kind, attempt: undefined });
    timers.noteRound(1000, [rootId]);
    timers.noteRound(2000, [rootId]);
    add('deadline');
    expect(await take(2000)).toEqual(['deadline']);
    timers.noteRound(8000, [rootId]);
    add('deadline');
    add('retry');
    expect(await take(8000)).toEqual(['retry']);
    await plane.report(job!, 'completed');
    await plane.settled(rootId);
    let taken: string[] = [];
    while (taken.length === 0) taken = await take(8000);
    expect(taken).toEqual(['deadline']);
  });

  it('takes a limit that waits together with the end that it waits for, not at the next question', async () => {
    const rootId = await plane.submit(LIMITED);
    const [job] = await plane.claim(await plane.agent());
    await plane.report(job!, 'started');
    const timers = new DueTimers(plane.database.kysely);
    timers.awaitAgentsOf(rootId);
    timers.add({ rootId, atMs: 1, node: 0, kind: 'deadline', attempt: undefined });
    expect(await timers.takeWithFacts(2, async () => [])).toEqual({ timers: [], facts: [] });
    expect(timers.heldTrees()).toEqual(new Set([rootId]));
    await plane.report(job!, 'completed');
    await plane.settled(rootId);
    const facts = [{ id: 1, root_id: rootId, event: {} }] as never;
    const taken = await timers.takeWithFacts(2, async () => facts);
    expect(taken).toMatchObject({ timers: [{ kind: 'deadline' }], facts });
    expect(timers.heldTrees()).toEqual(new Set());
  });

  it('does not wait for agents where none holds anything of the tree', async () => {
    const rootId = await plane.submit(LIMITED);
    await plane.orchestrator.stop();
    await passTwoHours();
    const restartedAt = Date.now();
    await plane.otherServer();
    await plane.until(rootId, (runs) => runs.get('')!.status === 'timed_out');
    expect(Date.now() - restartedAt).toBeLessThan(3000);
  });
});

async function untilPassed(atMs: number): Promise<void> {
  while (Date.now() < atMs) await new Promise((resolve) => setTimeout(resolve, 10));
}
