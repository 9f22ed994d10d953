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
});
