import { newId } from '@trainyard/protocol';
import { sql } from 'kysely';
import { afterEach, expect, it } from 'vitest';
import { type ControlPlane, startControlPlane } from '../orchestrator/testing/control-plane.ts';
import { describeDatabases } from '../testing/index.ts';

describeDatabases('an agent that drains', (engine) => {
  let plane: ControlPlane;
  afterEach(() => plane.end());

  it('gets no work, is told so, and is there again when it registers', async () => {
    plane = await startControlPlane(engine);
    const agent = await plane.agent();
    const other = await plane.agent();
    await plane.submit("name: x\nstages: [{ name: a, job: { command: 'true' } }]");
    expect(await plane.attempts.drain(agent)).toMatchObject({ id: agent, draining: true });
    expect(await plane.claim(agent)).toEqual([]);
    expect(await plane.attempts.heartbeat(agent, [])).toMatchObject({ draining: true });
    expect(await plane.attempts.heartbeat(other, [])).not.toHaveProperty('draining');
    const again = { name: 'x', hostname: 'h', version: '0', bootId: 'b', slots: 1, gpus: 0 };
    await plane.attempts.register({ ...again, agentId: agent, queues: ['default'], labels: {} });
    expect(await plane.claim(agent)).toHaveLength(1);
    await expect(plane.attempts.drain('agt_none')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  const CHAIN = `
name: chain
stages:
  - { name: a, job: { command: 'true' } }
  - { name: b, dependsOn: [a], job: { command: 'true' } }
`;
  /** An agent that works on the first stage, and waits for more. */
  const workingAgent = async () => {
    const agentId = await plane.agent();
    const rootId = await plane.submit(CHAIN);
    const [a] = await plane.claim(agentId);
    await plane.report(a!, 'started');
    await plane.settled(rootId);
    const request = { requestId: newId('att'), free: 10, freeGpus: 0, held: [], waitMs: 1500 };
    const waiting = plane.attempts.claim(agentId, request, new AbortController().signal);
    const deadline = Date.now() + 5000;
    while (plane.openCalls.isEmpty) {
      if (Date.now() > deadline) throw new Error('the call never came to wait');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return { agentId, rootId, waiting, a: a! };
  };

  it('gets nothing by a call that waits already, not even a new attempt that is stored as claimed', async () => {
    plane = await startControlPlane(engine);
    const { agentId, rootId, waiting, a } = await workingAgent();
    await plane.attempts.drain(agentId);
    expect(plane.openCalls.isEmpty).toBe(true);
    await plane.report(a, 'completed');
    expect((await plane.runs(rootId)).get('b')!.status).toBe('queued');
    expect((await waiting).assignments).toEqual([]);
    const other = await plane.agent();
    expect((await plane.claim(other)).map(({ spec }) => spec.stage)).toEqual(['b']);
  });

  it('gets nothing either when another server drains it, whose announcement is lost', async () => {
    plane = await startControlPlane(engine);
    const { agentId, rootId, waiting, a } = await workingAgent();
    await sql`update agents set draining_since = now() where id = ${agentId}`.execute(plane.database.kysely);
    await plane.report(a, 'completed');
    expect((await waiting).assignments).toEqual([]);
    await plane.until(rootId, (runs) => runs.get('b')!.status === 'queued');
    const { rows } = await sql`select agent_id from attempts where status = 'leased'`.execute(
      plane.database.kysely,
    );
    expect(rows).toEqual([]);
    const { items } = await plane.events(rootId);
    expect(items.map(({ seq }) => seq)).toEqual(items.map((_, index) => index + 1));
  });
});
