import { expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { eventually, startTestServer } from '../testing/test-server.ts';

interface Wait {
  readonly path: string;
  readonly reason: string;
  readonly isPausing?: true;
}

describeDatabases('what holds a job up', (engine) => {
  it('is its host, its agent, or a pause that is not confirmed: each is told as what it is', async () => {
    const t = await startTestServer(engine);
    try {
      const agent = await t.agent({ name: 'over ssh' });
      const root = await t.submit("name: x\nstages: [{ name: a, job: { command: 'true' } }]");
      const held = await agent.take();
      const { attemptId, epoch } = held.spec;
      const waits = async () =>
        (await t.call<{ items: Wait[] }>('GET', `/api/v1/runs/${root}/waits`)).body.items;
      const beat = (more: object) =>
        t.call('POST', `/api/v1/agents/${agent.id}/heartbeat`, {
          held: [{ attemptId, epoch, cancelling: false, ...more }],
        });
      const report = (what: object) =>
        t.call('POST', '/api/v1/reports', {
          reports: [{ attemptId, epoch, token: held.token, at: Date.now(), ...what }],
        });
      await report({ kind: 'started', target: { address: 'ada@gpu:22', dir: '/x' } });
      expect(await waits()).toEqual([]);

      await beat({ unreachableForMs: 60_000 });
      const [away] = await waits();
      expect(away!.reason).toMatch(
        /^its host ada@gpu:22 cannot be reached since 20.*; the job is taken to run on/,
      );
      expect(away!.reason).toContain('nothing is handed out again');
      await t.call('POST', `/api/v1/runs/${root}/pause`, { mode: 'freeze' });
      const asked = await eventually(async () => (await waits()).find(({ isPausing }) => isPausing));
      expect(asked.reason).toMatch(
        /^pausing: it was asked to stand still \(freeze\).*; its host ada@gpu:22 cannot/,
      );
      expect((await t.tree(root)).children[0]!.status).toBe('running');

      await beat({ pausing: 'freeze' });
      expect(await waits()).toEqual([{ ...asked, reason: asked.reason.split('; ')[0] }]);
      await report({ kind: 'paused', mode: 'freeze' });
      await t.treeWhen(root, ({ children }) => children[0]!.status === 'paused');
      expect(await waits()).toEqual([]);
      await beat({ pausing: 'freeze', unreachableForMs: 1000 });
      expect((await waits())[0]!.reason).toContain('taken to stand still there as before');

      // The agent is gone, too: that is another thing.
      await t.server.database.pool.query(
        `update "${t.place.schema}".attempts set lease_until = now() - interval '1 second'`,
      );
      expect((await waits())[0]!.reason).toMatch(/^its agent over ssh has not been heard of since 20/);

      // It is given up and handed to another host: what runs there is not known any more, and that is told.
      await t.server.database.pool.query(
        `update "${t.place.schema}".attempts set lease_until = now() - interval '1 hour'`,
      );
      const gone = await eventually(async () =>
        (await waits()).find(({ reason }) => /^attempt 1/.test(reason)),
      );
      expect(gone).toMatchObject({ path: 'a' });
      expect(gone.reason).toMatch(/^attempt 1 was given up at 20.* and may still run on ada@gpu:22 \(\/x\)/);
      expect(gone.reason).toContain('its agent over ssh has not been heard of since');
      const events = await t.call<{ items: { type: string; data: object }[] }>(
        'GET',
        `/api/v1/runs/${root}/events`,
      );
      expect(JSON.stringify(events.body.items)).toContain('may still run on ada@gpu:22, in /x');
      // Its agent is back, and ends it.
      await beat({});
      expect((await waits()).filter(({ reason }) => /^attempt 1/.test(reason))).toEqual([]);
    } finally {
      await t.end();
    }
  });
});
