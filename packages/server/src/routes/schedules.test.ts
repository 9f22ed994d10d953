import type { Launch, Schedule } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { expectError } from '../testing/expect-error.ts';
import { describeDatabases } from '../testing/index.ts';
import { eventually, expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

const TRAIN = `
name: train
params: { day: { type: string }, epochs: { type: integer, default: 3 } }
stages:
  - { name: a, job: { command: 'train' } }
`;

let t: TestServer;
afterEach(() => t.end());

const BODY = {
  name: 'nightly',
  pipeline: 'train',
  cron: '0 2 * * *',
  timezone: 'Europe/Berlin',
  params: { day: '${{ schedule.date }}' },
};
const add = async (body: object = {}): Promise<Schedule> =>
  expectStatus(await t.call<Schedule>('POST', '/api/v1/schedules', { ...BODY, ...body }), 201);
const refuse = async (body: object, code: Parameters<typeof expectError>[1]) =>
  expectError(await t.call('POST', '/api/v1/schedules', { ...BODY, ...body }), code).message;
const launches = async (): Promise<Launch[]> =>
  expectStatus(await t.call<{ items: Launch[] }>('GET', '/api/v1/schedules/nightly/launches'), 200).items;

describeDatabases('schedules over HTTP', (engine) => {
  beforeEach(async () => {
    t = await startTestServer(engine);
    expectStatus(await t.call('PUT', '/api/v1/pipelines/train', { source: TRAIN }), 201);
  });

  it('are added with defaults, shown, listed and removed', async () => {
    const added = await add();
    expect(added).toMatchObject({
      name: 'nightly',
      pipeline: 'train',
      version: 'latest',
      catchUp: 'latest',
      overlap: 'skip',
      jitterMs: 0,
      pausedAt: null,
      lastLaunch: null,
    });
    expect(Date.parse(added.nextAt!)).toBeGreaterThan(Date.now());
    expect((await t.call('GET', `/api/v1/schedules/${added.id}`)).body).toEqual(added);
    expect((await t.call<{ items: Schedule[] }>('GET', '/api/v1/schedules')).body.items).toEqual([added]);
    expectStatus(await t.call('DELETE', '/api/v1/schedules/nightly'), 204);
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/pause'],
      ['POST', '/resume'],
      ['POST', '/run'],
      ['GET', '/next'],
      ['GET', '/launches'],
    ] as const) {
      expectError(await t.call(method, `/api/v1/schedules/nightly${path}`), 'NOT_FOUND');
    }
  });

  it('say when they run next', async () => {
    await add({ startAt: '2030-03-30T00:00:00+01:00', endAt: '2030-04-01T12:00:00Z' });
    const { body } = await t.call<{ items: string[] }>('GET', '/api/v1/schedules/nightly/next?count=10');
    // The clocks go forward on 31 March 2030, from two to three.
    expect(body.items).toEqual([
      '2030-03-30T01:00:00.000Z',
      '2030-03-31T01:00:00.000Z',
      '2030-04-01T00:00:00.000Z',
    ]);
  });

  it('refuse what could never run, and store nothing of it', async () => {
    expect(await refuse({ cron: '0 2 * *' }, 'INVALID_REQUEST')).toMatch(/five fields/);
    expect(await refuse({ timezone: 'Mars/Base' }, 'INVALID_REQUEST')).toMatch(/no time zone/);
    expect(await refuse({ endAt: '2020-01-01T00:00:00Z' }, 'INVALID_REQUEST')).toMatch(/never run/);
    expect(await refuse({ params: { day: '${{ schedule.at ' } }, 'INVALID_PARAMS')).toMatch(/closed/);
    expect(await refuse({ params: { day: '${{ schedule.when }}' } }, 'INVALID_PARAMS')).toMatch(
      /schedule.when/,
    );
    expect(await refuse({ params: { day: '${{ run.id }}' } }, 'INVALID_PARAMS')).toMatch(/"run"/);
    expect(await refuse({ params: { day: '${{ int(schedule.date) }}' } }, 'INVALID_PARAMS')).toMatch(/int/);
    expect(await refuse({ params: {} }, 'INVALID_PARAMS')).toMatch(/"day".*no default/);
    expect(await refuse({ params: { day: 'x', nope: 1 } }, 'INVALID_PARAMS')).toMatch(/no param "nope"/);
    for (const epochs of ['three', 1.5, '${{ schedule.date }}']) {
      expect(await refuse({ params: { day: 'x', epochs } }, 'INVALID_PARAMS')).toMatch(
        /"epochs" must be a whole/,
      );
    }
    await refuse({ pipeline: 'other' }, 'NOT_FOUND');
    await refuse({ version: 7 }, 'NOT_FOUND');
    await refuse({ overlap: 'sometimes' }, 'INVALID_REQUEST');
    await refuse({ name: 'no name' }, 'INVALID_REQUEST');
    await refuse({ jitterMs: -1 }, 'INVALID_REQUEST');
    expect((await t.call<{ items: [] }>('GET', '/api/v1/schedules')).body.items).toEqual([]);
    await add();
    await refuse({}, 'CONFLICT');
  });

  it('can be run by hand, as their overlap policy allows', async () => {
    await add();
    const planned = expectStatus(await t.call<Launch>('POST', '/api/v1/schedules/nightly/run'), 202);
    expect(planned).toMatchObject({ isManual: true });
    const [running] = await eventually(async () => {
      const found = await launches();
      return found[0]?.state === 'running' ? found : undefined;
    });
    expect(running!.id).toBe(planned.id);
    expect((await t.tree(running!.runId!)).params).toMatchObject({
      day: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
    });
    expect(expectError(await t.call('POST', '/api/v1/schedules/nightly/run'), 'CONFLICT').message).toMatch(
      /skip/,
    );
    const agent = await t.agent();
    await agent.report(await agent.take(), { outcome: 'failed' });
    await eventually(async () => ((await launches())[0]?.state === 'ended' ? true : undefined));
    const shown = await t.call<Schedule>('GET', '/api/v1/schedules/nightly');
    expect(shown.body.lastLaunch).toMatchObject({
      state: 'ended',
      runStatus: 'failed',
      runId: running!.runId,
    });
    expectStatus(await t.call('POST', '/api/v1/schedules/nightly/run'), 202);
  });

  it('can be paused twice and resumed twice', async () => {
    const { nextAt } = await add();
    const pause = async (reason: string) =>
      expectStatus(await t.call<Schedule>('POST', '/api/v1/schedules/nightly/pause', { reason }), 200);
    const first = await pause('one');
    expect(await pause('two')).toMatchObject({ pausedAt: first.pausedAt, pauseReason: 'two' });
    for (let i = 0; i < 2; i += 1) {
      const resumed = expectStatus(await t.call<Schedule>('POST', '/api/v1/schedules/nightly/resume'), 200);
      expect(resumed).toMatchObject({ pausedAt: null, pauseReason: null, nextAt });
    }
  });
});
