import type { Backfill, BackfillPlan, Launch } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { expectError } from '../testing/expect-error.ts';
import { describeDatabases } from '../testing/index.ts';
import type { ScriptedAgent } from '../testing/scripted-agent.ts';
import { eventually, expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

const TRAIN = `
name: train
params: { day: { type: string }, until: { type: string, default: '' } }
stages:
  - { name: a, job: { command: 'train \${{ params.day }}' } }
`;
const BODY = {
  pipeline: 'train',
  from: '2026-03-28',
  to: '2026-03-30',
  everyMs: 86_400_000,
  timezone: 'Europe/Berlin',
  params: { day: '${{ schedule.date }}', until: '${{ schedule.nextAt }}' },
};

let t: TestServer;
let agent: ScriptedAgent;
afterEach(() => t.end());

const add = async (body: object = {}): Promise<Backfill> =>
  expectStatus(await t.call<Backfill>('POST', '/api/v1/backfills', { ...BODY, ...body }), 201);
const get = async (id: string): Promise<Backfill> =>
  expectStatus(await t.call<Backfill>('GET', `/api/v1/backfills/${id}`), 200);
const launches = async (id: string): Promise<Launch[]> =>
  expectStatus(await t.call<{ items: Launch[] }>('GET', `/api/v1/backfills/${id}/launches?limit=500`), 200)
    .items;
const when = (id: string, holds: (now: Backfill) => boolean): Promise<Backfill> =>
  eventually(async () => [await get(id)].find(holds));
/** Ends the next job that an agent gets; gives its command. */
const endOne = async (outcome: 'completed' | 'failed' = 'completed'): Promise<unknown> => {
  const job = await agent.take();
  await agent.report(job, { outcome });
  return job.spec.command;
};

describeDatabases('backfills', (engine) => {
  beforeEach(async () => {
    t = await startTestServer(engine);
    agent = await t.agent();
    expectStatus(await t.call('PUT', '/api/v1/pipelines/train', { source: TRAIN }), 201);
  });

  it('run a pipeline once per instant, no more than allowed at a time', async () => {
    const { id } = await add({ maxParallel: 2 });
    const first = await when(id, ({ launches: all }) => all.running === 2);
    expect(first).toMatchObject({ status: 'running', version: 1, launches: { waiting: 1 } });
    const commands = [await endOne(), await endOne(), await endOne()];
    expect(commands.sort()).toEqual(['train 2026-03-28', 'train 2026-03-29', 'train 2026-03-30']);
    const ended = await when(id, ({ status }) => status !== 'running');
    expect(ended).toMatchObject({ status: 'completed', succeeded: 3, failed: 0 });
    const [last] = await launches(id);
    // A day of 23 hours lies between: the days are those of the zone.
    expect(last!.at).toBe('2026-03-29T22:00:00.000Z');
    expect((await t.tree(last!.runId!)).params).toEqual({ day: '2026-03-30', until: '2026-03-30T22:00:00Z' });
  });

  it('begin with the newest where that is asked for', async () => {
    await add({ order: 'newest' });
    expect([await endOne(), await endOne()]).toEqual(['train 2026-03-30', 'train 2026-03-29']);
  });

  it('leave out what has completed already, unless it is asked for again', async () => {
    const { id } = await add({ to: '2026-03-29' });
    await endOne('failed');
    await endOne('completed');
    expect(await when(id, ({ status }) => status !== 'running')).toMatchObject({
      status: 'failed',
      failed: 1,
    });
    const plan = expectStatus(await t.call<BackfillPlan>('POST', '/api/v1/backfills/plan', BODY), 200);
    expect(plan.items.map(({ completedBy }) => completedBy !== null)).toEqual([false, true, false]);
    const second = await add();
    expect(second.launches).toMatchObject({ skipped: 1 });
    await endOne();
    await endOne();
    expect(await when(second.id, ({ status }) => status !== 'running')).toMatchObject({
      status: 'completed',
    });
    expect((await add({ again: true })).launches.skipped).toBe(0);
  });

  it('show what they would do without doing it', async () => {
    const plan = expectStatus(await t.call<BackfillPlan>('POST', '/api/v1/backfills/plan', BODY), 200);
    expect(plan).toMatchObject({ pipeline: 'train', version: 1 });
    expect(plan.items[0]).toEqual({
      at: '2026-03-27T23:00:00.000Z',
      completedBy: null,
      params: { day: '2026-03-28', until: '2026-03-28T23:00:00Z' },
    });
    expect((await t.call<{ items: [] }>('GET', '/api/v1/backfills')).body.items).toEqual([]);
    expect((await t.call<{ items: [] }>('GET', '/api/v1/runs')).body.items).toEqual([]);
  });

  it('can be cancelled as a whole', async () => {
    const { id } = await add({ maxParallel: 2 });
    await when(id, ({ launches: all }) => all.running === 2);
    expectStatus(await t.call('POST', `/api/v1/backfills/${id}/cancel`), 202);
    const ended = await when(id, ({ status }) => status === 'cancelled');
    expect(ended).toMatchObject({ failed: 2, launches: { skipped: 1, ended: 2 } });
    expect((await launches(id)).map(({ runStatus }) => runStatus)).toEqual([null, 'cancelled', 'cancelled']);
    // Again is no mistake.
    expectStatus(await t.call('POST', `/api/v1/backfills/${id}/cancel`), 202);
  });

  it('go on after the server was gone', async () => {
    const { id } = await add();
    const peer = await t.peer();
    await when(id, ({ launches: all }) => all.running === 1);
    await t.server.stop();
    const other = await peer.agent();
    for (const day of ['28', '29', '30']) {
      const job = await other.take();
      expect(job.spec.command).toBe(`train 2026-03-${day}`);
      await other.report(job, { outcome: 'completed' });
    }
    await eventually(async () => {
      const { body } = await peer.call<Backfill>('GET', `/api/v1/backfills/${id}`);
      return body.status === 'completed' ? true : undefined;
    });
  });

  it('refuse what cannot be meant, and store nothing of it', async () => {
    const refuse = async (body: object, code: Parameters<typeof expectError>[1]) =>
      expectError(await t.call('POST', '/api/v1/backfills', { ...BODY, ...body }), code).message;
    expect(await refuse({ to: '2026-03-27' }, 'INVALID_REQUEST')).toMatch(/ends .* before it begins/);
    expect(await refuse({ cron: '* * * * *' }, 'INVALID_REQUEST')).toMatch(/exactly one of/);
    expect(await refuse({ everyMs: undefined }, 'INVALID_REQUEST')).toMatch(/exactly one of/);
    expect(await refuse({ everyMs: undefined, cron: '0 0 1 1 *' }, 'INVALID_REQUEST')).toMatch(/no instant/);
    expect(await refuse({ everyMs: 60_000, to: '2026-12-31' }, 'TOO_LARGE')).toMatch(/more than 10000/);
    expect(await refuse({ from: '2026-02-30' }, 'INVALID_REQUEST')).toMatch(/from/);
    await refuse({ everyMs: 1000 }, 'INVALID_REQUEST');
    await refuse({ maxParallel: 0 }, 'INVALID_REQUEST');
    await refuse({ params: {} }, 'INVALID_PARAMS');
    await refuse({ params: { day: '${{ payload.x }}' } }, 'INVALID_PARAMS');
    await refuse({ timezone: 'nowhere' }, 'INVALID_REQUEST');
    await refuse({ pipeline: 'nothing' }, 'NOT_FOUND');
    expect((await t.call<{ items: [] }>('GET', '/api/v1/backfills')).body.items).toEqual([]);
    for (const path of ['', '/launches']) {
      expectError(await t.call('GET', `/api/v1/backfills/bkf_no${path}`), 'NOT_FOUND');
    }
    expectError(await t.call('POST', '/api/v1/backfills/bkf_no/cancel'), 'NOT_FOUND');
  });
});
