import type { OnConflict, RunTree } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import type { ScriptedAgent } from '../testing/scripted-agent.ts';
import { eventually, expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

describeDatabases('concurrency groups of runs', (engine) => {
  let place: TestServer;
  let agent: ScriptedAgent;
  beforeEach(async () => {
    place = await startTestServer(engine);
    agent = await place.agent();
  });
  afterEach(() => place.end());

  const submit = (onConflict: OnConflict = 'queue', { limit = 1, group = 'deploy' } = {}) =>
    place.submit(
      JSON.stringify({
        name: 'p',
        params: { env: { type: 'string', default: 'prod' } },
        concurrency: { group: `${group}-\${{ params.env }}`, limit, onConflict },
        stages: [{ name: 's', job: { command: 'x' } }],
      }),
    );
  const reach = (id: string, ...statuses: RunTree['status'][]) =>
    place.treeWhen(id, ({ status }) => statuses.includes(status));
  const end = async (id: string) => {
    const taken = await agent.take();
    expect(taken.spec.rootId).toBe(id);
    await agent.report(taken, { outcome: 'completed' });
    await reach(id, 'completed');
  };

  it('lets runs wait for their turn, starting nothing and holding nothing', async () => {
    const first = await submit();
    const second = await submit();
    const third = await submit();
    const other = await submit('queue', { group: 'other' });
    await reach(first, 'running');
    await reach(other, 'running');
    const waiting = await place.tree(second);
    expect(waiting).toMatchObject({
      status: 'queued',
      reason: 'waits for its turn in the concurrency group "deploy-prod"',
      startedAt: null,
      children: [{ status: 'pending' }],
    });
    const both = (await agent.claim()).body.assignments;
    expect(both.map(({ spec }) => spec.rootId)).toEqual([first, other]);
    const { items } = (
      await place.call<{ items: { reason: string }[] }>('GET', `/api/v1/runs/${third}/waits`)
    ).body;
    expect(items).toEqual([
      {
        runId: third,
        path: '',
        reason: `waits for its turn in the concurrency group "deploy-prod": 1 of 1 at work (${first}), 1 before it`,
      },
    ]);

    await agent.report(both[0]!, { outcome: 'failed', exitCode: 1 });
    await reach(first, 'failed');
    await reach(second, 'running');
    expect(await place.tree(third)).toMatchObject({ status: 'queued' });
    await end(second);
    await end(third);
  });

  it('lets as many runs be at work as the limit says', async () => {
    const runs: string[] = [];
    for (let index = 0; index < 3; index += 1) runs.push(await submit('queue', { limit: 2 }));
    await reach(runs[0]!, 'running');
    await reach(runs[1]!, 'running');
    expect(await place.tree(runs[2]!)).toMatchObject({ status: 'queued' });
    await end(runs[0]!);
    await reach(runs[2]!, 'running');
  });

  it('cancels a waiting run on request, and the next one takes its turn', async () => {
    const first = await submit();
    await reach(first, 'running');
    const second = await submit();
    const third = await submit();
    expectStatus(await place.call('POST', `/api/v1/runs/${second}/cancel`, { reason: 'not needed' }), 202);
    expect(await reach(second, 'cancelled')).toMatchObject({ reason: 'not needed', startedAt: null });
    await end(first);
    await end(third);
  });

  it('cancels the newest run of a full group', async () => {
    const first = await submit('cancel_newest');
    await reach(first, 'running');
    const second = await submit('cancel_newest');
    expect(await reach(second, 'cancelled')).toMatchObject({
      reason: `the concurrency group "deploy-prod" is taken by ${first}`,
      children: [{ status: 'cancelled' }],
    });
    await end(first);
    const third = await submit('cancel_newest');
    await reach(third, 'running');
  });

  it('cancels what runs and what waits for the newest, which starts when that is really over', async () => {
    const first = await submit('cancel_running');
    const taken = await agent.take();
    const second = await submit();
    const third = await submit('cancel_running');
    const because = `replaced by ${third} in the concurrency group "deploy-prod"`;
    expect(await reach(second, 'cancelled')).toMatchObject({ reason: because });
    expect(await reach(first, 'cancelling')).toMatchObject({ reason: because });
    expect(await place.tree(third)).toMatchObject({ status: 'queued' });
    await agent.report(taken, { outcome: 'cancelled', exitCode: null, signal: 'SIGTERM' });
    await reach(first, 'cancelled');
    await end(third);
    const cancels = await place.server.database.pool.query(
      `select count(*)::int as n from events where root_id = $1 and type = 'run.cancel_requested'`,
      [first],
    );
    expect(cancels.rows[0].n).toBe(1);
  });

  it('keeps the turn of waiting runs when another server takes over', async () => {
    const first = await submit();
    const taken = await agent.take();
    const second = await submit();
    const peer = await place.peer();
    await place.server.stop();
    const later = await peer.agent();
    expect(await peer.tree(second)).toMatchObject({ status: 'queued', children: [{ status: 'pending' }] });
    expect((await later.claim()).body.assignments).toEqual([]);
    await later.report(taken, { outcome: 'completed' });
    await peer.treeWhen(first, ({ status }) => status === 'completed');
    expect((await later.take()).spec.rootId).toBe(second);
  });

  it('refuses a group whose name has no value', async () => {
    const concurrency = { group: '${{ params.env }}' };
    const definition = {
      name: 'p',
      params: { env: { type: 'string', default: '' } },
      concurrency,
      stages: [{ name: 's', job: { command: 'x' } }],
    };
    const { status, body } = await place.call('POST', '/api/v1/runs', { definition });
    expect([status, body.error.code]).toEqual([400, 'INVALID_PARAMS']);
    const unknown = { ...definition, concurrency: { group: '${{ params.envv }}' } };
    const refused = await place.call('POST', '/api/v1/runs', { definition: unknown });
    expect(refused.body.error.code).toBe('INVALID_DEFINITION');
    await eventually(async () =>
      (await place.call<{ items: [] }>('GET', '/api/v1/runs')).body.items.length === 0 ? true : undefined,
    );
  });
});
