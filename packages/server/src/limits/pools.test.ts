import type { ErrorBody, PoolDetails } from '@trainyard/protocol';
import { afterEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/describe-databases.ts';
import { expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

describeDatabases('pools', (engine) => {
  let place: TestServer;
  afterEach(() => place.end());

  const start = async (pools: Record<string, number>) => {
    place = await startTestServer(engine);
    for (const [name, slots] of Object.entries(pools)) {
      expectStatus(await place.call('PUT', `/api/v1/pools/${name}`, { slots }), 201);
    }
  };
  const pool = async (name: string) =>
    expectStatus(await place.call<PoolDetails>('GET', `/api/v1/pools/${name}`), 200);
  const stages = (count: number, extra: object = {}) => ({
    name: 'wide',
    maxParallel: 10_000,
    stages: Array.from({ length: count }, (_, index) => ({
      name: `s${index}`,
      job: { command: 'true' },
      ...extra,
    })),
  });
  const submit = (definition: object) => place.submit(JSON.stringify(definition));

  it('hands out as many attempts as there are slots, and the next one when one ends', async () => {
    await start({ licence: 2 });
    await submit(stages(5, { pools: ['licence'] }));
    const agent = await place.agent();
    const first = (await agent.claim()).body.assignments;
    expect(first).toHaveLength(2);
    expect((await agent.claim()).body.assignments).toHaveLength(0);
    const full = await pool('licence');
    expect(full).toMatchObject({ slots: 2, inUse: 2, waiting: 3 });
    expect(full.holders.map((each) => [each.runName, each.path, each.slots])).toEqual([
      ['wide', 's0', 1],
      ['wide', 's1', 1],
    ]);
    expect(full.queue.map((each) => each.path)).toEqual(['s2', 's3', 's4']);

    await agent.report(first[0]!, { outcome: 'completed' });
    const next = (await agent.claim()).body.assignments;
    expect(next.map(({ spec }) => spec.stage)).toEqual(['s2']);
  });

  it('passes over what waits for a full pool', async () => {
    await start({ licence: 1 });
    await submit(stages(300, { pools: ['licence'] }));
    const agent = await place.agent();
    expect((await agent.claim()).body.assignments).toHaveLength(1);
    await submit(stages(3));
    const passed = (await agent.claim({ free: 2 })).body.assignments;
    expect(passed.map(({ spec }) => spec.stage)).toEqual(['s0', 's1']);
  });

  it('takes all pools of an attempt together or none', async () => {
    await start({ a: 1, b: 1 });
    await submit({
      name: 'p',
      maxParallel: 10,
      stages: [
        { name: 'both', pools: ['a', 'b'], job: { command: 'x' } },
        { name: 'only-a', pools: ['a'], job: { command: 'x' } },
        { name: 'only-b', pools: ['b'], job: { command: 'x' } },
      ],
    });
    const agent = await place.agent();
    const both = await agent.take('both');
    expect((await agent.claim()).body.assignments).toHaveLength(0);
    await agent.report(both, { outcome: 'failed' });
    expect((await agent.claim()).body.assignments).toHaveLength(2);
  });

  it('is refused twice at one stage', async () => {
    await start({ licence: 2 });
    const source = JSON.stringify(stages(1, { pools: ['licence', { name: 'licence', slots: 1 }] }));
    const { body } = await place.call<ErrorBody>('POST', '/api/v1/runs', { source });
    expect(JSON.stringify(body)).toContain('the pool \\"licence\\" is listed twice');
  });

  it('frees slots whichever way an attempt ends: by cancel, by loss, by a fenced owner, between two tries', async () => {
    await start({ licence: 1 });
    const agent = await place.agent();
    const one = (extra: object = {}) => ({
      name: 'one',
      stages: [{ name: 'only', pools: ['licence'], job: { command: 'x' }, ...extra }],
    });

    const cancelled = await submit(one());
    const first = await agent.take();
    await place.call('POST', `/api/v1/runs/${cancelled}/cancel`, {});
    await place.treeWhen(cancelled, ({ status }) => status === 'cancelling');
    expect(await pool('licence')).toMatchObject({ inUse: 1 });
    await agent.report(first, { outcome: 'cancelled', exitCode: null });
    expect(await pool('licence')).toMatchObject({ inUse: 0 });

    const lost = await submit(one());
    const second = await agent.take();
    await place.server.database.pool.query(
      `update attempts set lease_until = now() - interval '1 day' where id = $1`,
      [second.spec.attemptId],
    );
    // Handed out again after the loss: the first try holds nothing any more, and its report is refused.
    const again = await agent.take();
    expect(again.spec.number).toBe(2);
    expect(await agent.report(second, { outcome: 'completed' })).toMatchObject({ code: 'ATTEMPT_FENCED' });
    expect(await pool('licence')).toMatchObject({ inUse: 1 });
    await agent.report(again, { outcome: 'completed' });
    await place.treeWhen(lost, ({ status }) => status === 'completed');

    await submit(one({ retry: { attempts: 2, backoff: '1h' } }));
    await agent.report(await agent.take(), { outcome: 'failed', exitCode: 1 });
    const next = await submit(one());
    expect((await agent.take()).spec.rootId).toBe(next);
  });

  it('still counts what is held when the server is another one', async () => {
    await start({ licence: 1 });
    await submit(stages(2, { pools: ['licence'] }));
    const held = await (await place.agent()).take();
    const peer = await place.peer();
    await place.server.stop();
    const agent = await peer.agent();
    expect((await agent.claim()).body.assignments).toHaveLength(0);
    await agent.report(held, { outcome: 'completed' });
    expect((await agent.take()).spec.stage).toBe('s1');
  });

  it('serves higher priorities first, and an hour of waiting counts like a point of priority', async () => {
    await start({ licence: 0 });
    const prioritised = (name: string, priority: number) => ({
      name,
      stages: [{ name, priority, pools: ['licence'], job: { command: 'x' } }],
    });
    for (const [name, priority] of [
      ['low', 0],
      ['high', 2],
      ['old', 0],
    ] as const) {
      await submit(prioritised(name, priority));
    }
    await place.server.database.pool.query(
      `update attempts set created_at = created_at - interval '3 hours' where spec ->> 'stage' = 'old'`,
    );
    expect((await pool('licence')).queue.map(({ path }) => path)).toEqual(['old', 'high', 'low']);
    const agent = await place.agent();
    expect((await agent.claim()).body.assignments).toHaveLength(0);
    await place.call('PUT', '/api/v1/pools/licence', { slots: 1 });
    for (const name of ['old', 'high', 'low']) {
      const taken = await agent.take();
      expect(taken.spec.stage).toBe(name);
      await agent.report(taken, { outcome: 'completed' });
    }
  });

  it('refuses a run whose stage names a pool that does not exist', async () => {
    await start({});
    const inner = { stages: [{ name: 'train', pools: ['licence'], job: { command: 'x' } }] };
    const definition = { name: 'p', stages: [{ name: 'sweep', pipeline: inner }] };
    const { status, body } = await place.call('POST', '/api/v1/runs', { definition });
    expect(status).toBe(400);
    expect(body.error.code).toBe('UNKNOWN_POOL');
    expect(body.error.message).toBe(
      'There is no such pool: stage "sweep/train" needs the pool "licence". Make it first: trainyard pools set licence --slots N',
    );
    expect((await place.call<{ items: [] }>('GET', '/api/v1/runs')).body.items).toEqual([]);
  });

  it('says why a stage waits: a full, a small or a deleted pool', async () => {
    await start({ licence: 1, small: 1, gone: 1 });
    const name = '${{ params.pool }}';
    const root = await submit({
      name: 'p',
      maxParallel: 10,
      params: { pool: { type: 'string', default: 'gone' } },
      stages: [
        { name: 'holds', priority: 1, pools: ['licence'], job: { command: 'x' } },
        { name: 'full', pools: ['licence'], job: { command: 'x' } },
        { name: 'large', pools: [{ name: 'small', slots: 2 }], job: { command: 'x' } },
        { name: 'lost', pools: [{ name }], job: { command: 'x' } },
      ],
    });
    expectStatus(await place.call('DELETE', '/api/v1/pools/gone'), 204);
    const agent = await place.agent();
    expect((await agent.claim()).body.assignments).toHaveLength(1);
    const { items } = expectStatus(
      await place.call<{ items: { path: string; reason: string }[] }>('GET', `/api/v1/runs/${root}/waits`),
      200,
    );
    expect(items.map(({ path, reason }) => [path, reason])).toEqual([
      ['full', `the pool "licence" is full: 1 of 1 slots in use, longest by "holds" of ${root}`],
      [
        'large',
        'the pool "small" has 1 slot and this stage takes 2: it cannot start before the pool is larger',
      ],
      ['lost', 'the pool "gone" does not exist; make it with: trainyard pools set gone --slots N'],
    ]);
    expectStatus(await place.call('PUT', '/api/v1/pools/gone', { slots: 1 }), 201);
    expect((await agent.take()).spec.stage).toBe('lost');
  });

  it('knows nothing of a pool that is not there', async () => {
    await start({});
    for (const method of ['GET', 'DELETE']) {
      const { status, body } = await place.call(method, '/api/v1/pools/none');
      expect([status, body.error.code]).toEqual([404, 'NOT_FOUND']);
    }
    const { status } = await place.call('PUT', '/api/v1/pools/none', { slots: -1 });
    expect(status).toBe(400);
  });
});
