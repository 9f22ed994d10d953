import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { startTestServer } from '../testing/test-server.ts';

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

describeDatabases('other tokens for attempts of an agent that has started again', (engine) => {
  it('are given to who proves to be their agent and to have had the old ones, once and for all', async () => {
    const t = await startTestServer(engine);
    try {
      const agent = await t.agent();
      const other = await t.agent({ queues: ['other'] });
      await t.submit("name: x\nstages: [{ name: a, job: { command: 'true' } }]");
      const held = await agent.take();
      await agent.report(held, 'started');
      const { attemptId, epoch } = held.spec;
      const renew = async (agentId: string, known: string[], token: string, of: object = {}) => {
        const attempts = [{ attemptId, epoch, known, next: hashOf(token), ...of }];
        const path = `/api/v1/agents/${agentId}/attempt-tokens`;
        return (await t.call<{ renewed: string[] }>('POST', path, { attempts })).body.renewed;
      };
      const isTaken = async (token: string) =>
        (await agent.append({ ...held, token }, 'log', 0, 'x')).status === 200;
      const proof = hashOf(held.token);
      expect(await renew(other.id, [proof], 'stolen')).toEqual([]);
      expect(await renew(agent.id, [hashOf('guess')], 'stolen')).toEqual([]);
      expect(await renew(agent.id, [proof], 'stolen', { epoch: epoch + 1 })).toEqual([]);
      expect(await isTaken('stolen')).toBe(false);
      // What lies on the disk of the agent is no token.
      expect(await isTaken(proof)).toBe(false);
      expect(await isTaken(held.token)).toBe(true);

      expect(await renew(agent.id, [proof], 'tya_second')).toEqual([attemptId]);
      expect(await renew(agent.id, [proof], 'tya_second')).toEqual([attemptId]);
      expect([await isTaken(held.token), await isTaken('tya_second')]).toEqual([false, true]);
      expect(await renew(agent.id, [proof], 'tya_third')).toEqual([]);
      // The agent was not told that its second was taken.
      expect(await renew(agent.id, [proof, hashOf('tya_second')], 'tya_third')).toEqual([attemptId]);
      const end = { outcome: 'completed' } as const;
      expect((await agent.report(held, end)).code).toBe('UNAUTHENTICATED');
      expect((await agent.report({ ...held, token: 'tya_third' }, end)).ok).toBe(true);

      // Of one that is over a late report is a repeat, as it was before.
      expect(await renew(agent.id, [hashOf('tya_third')], 'tya_late')).toEqual([attemptId]);
      expect((await agent.report({ ...held, token: 'tya_late' }, end)).ok).toBe(true);
    } finally {
      await t.end();
    }
  });
});
