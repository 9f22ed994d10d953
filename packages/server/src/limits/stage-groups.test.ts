import type { OnConflict, RunTree } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import type { ScriptedAgent } from '../testing/scripted-agent.ts';
import { eventually, startTestServer, type TestServer } from '../testing/test-server.ts';

describeDatabases('concurrency groups of stages', (engine) => {
  let place: TestServer;
  let agent: ScriptedAgent;
  beforeEach(async () => {
    place = await startTestServer(engine);
    agent = await place.agent();
  });
  afterEach(() => place.end());

  const submit = (name: string, onConflict: OnConflict, stage: object = {}) =>
    place.submit(
      JSON.stringify({
        name,
        params: { env: { type: 'string', default: 'prod' } },
        stages: [
          {
            name: 'deploy',
            concurrency: { group: 'deploy-${{ params.env }}', onConflict },
            job: { command: 'x', queue: name },
            ...stage,
          },
        ],
      }),
    );
  const stageOf = async (id: string, ...statuses: RunTree['status'][]) =>
    (await place.treeWhen(id, ({ children }) => statuses.includes(children[0]!.status))).children[0]!;
  /** An agent that gets only the stage of this run. */
  const only = (name: string) => place.agent({ queues: [name], name });

  it('lets one at a time be at work, across runs, by the resolved name', async () => {
    const first = await submit('a', 'queue');
    const second = await submit('b', 'queue');
    const other = await place.submit(
      JSON.stringify({
        name: 'c',
        stages: [{ name: 'x', concurrency: { group: 'else' }, job: { command: 'x', queue: 'c' } }],
      }),
    );
    const taken = await (await only('a')).take();
    const next = await only('b');
    expect((await next.claim()).body.assignments).toEqual([]);
    expect((await (await only('c')).take()).spec.rootId).toBe(other);
    const waits = await place.call<{ items: object[] }>('GET', `/api/v1/runs/${second}/waits`);
    expect(waits.body.items).toMatchObject([
      {
        path: 'deploy',
        reason: `the concurrency group "deploy-prod" is full: 1 of 1 at work, longest by "deploy" of ${first}`,
      },
    ]);
    await agent.report(taken, { outcome: 'completed' });
    expect((await next.take()).spec.rootId).toBe(second);
  });

  it('cancels a newcomer that must not wait, as soon as the group is full', async () => {
    const first = await submit('a', 'cancel_newest');
    const taken = await (await only('a')).take();
    const second = await submit('b', 'cancel_newest');
    expect(await stageOf(second, 'cancelled')).toMatchObject({
      reason: `the concurrency group "deploy-prod" is taken by stage "deploy" of ${first}`,
      startedAt: null,
    });
    await place.treeWhen(second, ({ endedAt }) => endedAt !== null);
    await agent.report(taken, { outcome: 'completed' });
    await place.treeWhen(first, ({ status }) => status === 'completed');
    const third = await submit('c', 'cancel_newest');
    expect((await (await only('c')).take()).spec.rootId).toBe(third);
  });

  it('cancels those that were queued together when one of them is handed out', async () => {
    const root = await place.submit(
      JSON.stringify({
        name: 'wide',
        maxParallel: 100,
        stages: Array.from({ length: 20 }, (_, index) => ({
          name: `s${index}`,
          concurrency: { group: 'g', limit: 2, onConflict: 'cancel_newest' },
          job: { command: 'x' },
        })),
      }),
    );
    expect((await agent.claim()).body.assignments).toHaveLength(2);
    const tree = await place.treeWhen(
      root,
      ({ children }) => children.filter(({ status }) => status === 'cancelled').length === 18,
    );
    expect(tree.children.filter(({ status }) => status === 'starting')).toHaveLength(2);
  });

  it('asks what runs to end, and starts the newcomer when it is really over', async () => {
    const first = await submit('a', 'cancel_running');
    const holder = await only('a');
    const taken = await holder.take();
    await holder.report(taken, 'started');
    const second = await submit('b', 'cancel_running');
    const reason = `replaced by stage "deploy" of ${second} in the concurrency group "deploy-prod"`;
    expect(await stageOf(first, 'cancelling')).toMatchObject({ reason });
    const held = [{ attemptId: taken.spec.attemptId, epoch: 1, cancelling: false }];
    const { commands } = (await holder.claim({ held, free: 0 })).body;
    expect(commands).toMatchObject([{ attemptId: taken.spec.attemptId, action: 'cancel' }]);
    const next = await only('b');
    expect((await next.claim()).body.assignments).toEqual([]);
    await holder.report(taken, { outcome: 'cancelled', exitCode: null, signal: 'SIGTERM' });
    expect(await stageOf(first, 'cancelled')).toMatchObject({ reason });
    expect((await next.take()).spec.rootId).toBe(second);
    const { rows } = await place.server.database.pool.query(
      `select count(*)::int as n from events where root_id = $1 and type = 'run.cancel_requested'`,
      [first],
    );
    expect(rows[0].n).toBe(1);
  });

  it('does not let a retry of an older stage replace a newer one', async () => {
    const first = await submit('a', 'cancel_running', { retry: { attempts: 3, backoff: 0 } });
    const taken = await (await only('a')).take();
    // The newer one comes between two tries of the older one.
    await agent.report(taken, { outcome: 'failed', exitCode: 1 });
    const second = await submit('b', 'cancel_running');
    expect(await stageOf(first, 'cancelled')).toMatchObject({
      reason: `replaced by stage "deploy" of ${second} in the concurrency group "deploy-prod"`,
    });
    expect((await (await only('b')).take()).spec.rootId).toBe(second);
  });

  it('settles what a server that is gone has left', async () => {
    await submit('a', 'queue');
    await (await only('a')).take();
    // Nobody announces this newcomer: the row is there, as after a crash.
    const root = await submit('b', 'queue');
    const { pool } = place.server.database;
    await pool.query(
      `update attempts set replacing_group = 'group/deploy-prod',
         limits = jsonb_set(limits, '{0,onConflict}', '"cancel_newest"') where root_id = $1`,
      [root],
    );
    await eventually(async () =>
      (await place.tree(root)).children[0]!.status === 'cancelled' ? true : undefined,
    );
  });
});
