import type { Launch, Schedule } from '@trainyard/protocol';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSecretBox, type SecretBox } from '../auth/secret-box.ts';
import { createLiveBus } from '../live/live-bus.ts';
import { createOrchestrator, type Orchestrator } from '../orchestrator/orchestrator.ts';
import { describeDatabases } from '../testing/index.ts';
import { eventually, expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';
import { createLauncher, type Launcher } from './launcher.ts';

const PIPELINE = `
name: train
params: { day: { type: string, default: none }, at: { type: string, default: none } }
stages:
  - { name: a, job: { command: 'train \${{ params.day }}' } }
`;
const MINUTE = 60_000;

let t: TestServer;
let orchestrator: Orchestrator;
let secrets: SecretBox;
/** The clock of the schedules. */
let nowMs: number;

const newLauncher = (submit?: Orchestrator['submit']): Launcher =>
  createLauncher({
    database: t.server.database,
    orchestrator: submit === undefined ? orchestrator : { ...orchestrator, submit },
    secrets,
    maxDepth: 10,
    bus: createLiveBus(),
    log: pino({ level: 'silent' }),
    now: () => nowMs,
  });
const round = async (...launchers: Launcher[]): Promise<void> => {
  for (let more = true; more; ) more = (await Promise.all(launchers.map((one) => one.tick()))).includes(true);
};
const add = async (body: object = {}): Promise<Schedule> =>
  expectStatus(
    await t.call<Schedule>('POST', '/api/v1/schedules', {
      name: 'nightly',
      pipeline: 'train',
      cron: '*/10 * * * *',
      overlap: 'allow',
      // Where the server's own launcher, which goes by the real clock, has nothing to decide.
      startAt: '2030-01-01T00:00:00Z',
      ...body,
    }),
    201,
  );
const launches = async (name = 'nightly'): Promise<Launch[]> =>
  expectStatus(
    await t.call<{ items: Launch[] }>('GET', `/api/v1/schedules/${name}/launches?limit=500`),
    200,
  ).items.reverse();
const states = async (): Promise<string[]> => (await launches()).map(({ state }) => state);
const runs = async (): Promise<{ id: string; status: string }[]> =>
  expectStatus(
    await t.call<{ items: { id: string; status: string }[] }>('GET', '/api/v1/runs?limit=500'),
    200,
  ).items;
/** Ends the oldest run that waits for an agent. */
const endOne = async (): Promise<void> => {
  const agent = await t.agent();
  const job = await agent.take();
  await agent.report(job, { outcome: 'completed' });
  const { rootId } = job.spec;
  await t.treeWhen(rootId, ({ endedAt }) => endedAt !== null);
  // While the server's own launcher notes the end it holds the row, and others take the run for one that goes on.
  await eventually(async () => {
    await round(newLauncher());
    const launch = (await launches()).find(({ runId }) => runId === rootId);
    return launch?.state === 'ended' ? true : undefined;
  });
};

describeDatabases('the launcher', (engine) => {
  beforeEach(async () => {
    t = await startTestServer(engine);
    expectStatus(await t.call('PUT', '/api/v1/pipelines/train', { source: PIPELINE }), 201);
    secrets = await openSecretBox({ dataDir: t.dataDir });
    const log = pino({ level: 'silent' });
    const { database } = t.server;
    orchestrator = createOrchestrator({ database, bus: createLiveBus(), log, exclusive: false });
    await orchestrator.start();
  });
  afterEach(async () => {
    await orchestrator.stop();
    await t.end();
  });

  it('starts one run per instant, whichever of many servers looks first', async () => {
    const { nextAt } = await add({ params: { at: '${{ schedule.at }}', day: '${{ schedule.date }}' } });
    const servers = [newLauncher(), newLauncher(), newLauncher()];
    nowMs = Date.parse(nextAt!);
    for (let i = 0; i < 5; i += 1, nowMs += 10 * MINUTE) await round(...servers);
    await eventually(async () => ((await states()).every((state) => state === 'running') ? true : undefined));
    const found = await launches();
    const instants = Array.from({ length: 5 }, (_, i) =>
      new Date(Date.parse(nextAt!) + i * 10 * MINUTE).toISOString(),
    );
    expect(found.map(({ at }) => at)).toEqual(instants);
    expect(new Set(found.map(({ runId }) => runId)).size).toBe(5);
    expect(await runs()).toHaveLength(5);
    const tree = await t.tree(found[0]!.runId!);
    expect(tree.params).toEqual({ at: instants[0]!.replace('.000Z', 'Z'), day: instants[0]!.slice(0, 10) });
  });

  it('starts a run once though its server dies before or after it was stored', async () => {
    const { nextAt } = await add();
    nowMs = Date.parse(nextAt!);
    const before = newLauncher(() => Promise.reject(new Error('killed')));
    await round(before);
    expect(await states()).toEqual(['starting']);
    nowMs += 11_000;
    const after = newLauncher(async (submission) => {
      await orchestrator.submit(submission);
      throw new Error('killed');
    });
    await round(after);
    expect(await states()).toEqual(['starting']);
    expect(await runs()).toHaveLength(1);
    nowMs += 11_000;
    await round(newLauncher());
    expect(await launches()).toMatchObject([{ state: 'running', runId: (await runs())[0]!.id }]);
    expect(await runs()).toHaveLength(1);
  });

  it('catches up after a downtime by policy', async () => {
    const { nextAt } = await add({ catchUp: 'latest' });
    await add({ name: 'all', catchUp: 'all' });
    await add({ name: 'none', catchUp: 'none' });
    nowMs = Date.parse(nextAt!) + 35 * MINUTE;
    await round(newLauncher());
    const started = async (name: string) =>
      (await launches(name)).map(({ state }) => (state === 'skipped' ? 'skipped' : 'started'));
    expect(await started('nightly')).toEqual(['skipped', 'skipped', 'skipped', 'started']);
    expect(await started('all')).toEqual(Array.from({ length: 4 }, () => 'started'));
    expect(await started('none')).toEqual(Array.from({ length: 4 }, () => 'skipped'));
    const shown = await t.call<Schedule>('GET', '/api/v1/schedules/none');
    expect(Date.parse(shown.body.nextAt!)).toBe(Date.parse(nextAt!) + 40 * MINUTE);
  });

  it('leaves a run out while an earlier one goes on, and no longer', async () => {
    const { nextAt } = await add({ overlap: 'skip' });
    nowMs = Date.parse(nextAt!);
    await round(newLauncher());
    nowMs += 10 * MINUTE;
    await round(newLauncher());
    await eventually(async () => ((await states()).join() === 'running,skipped' ? true : undefined));
    await endOne();
    nowMs += 10 * MINUTE;
    await round(newLauncher());
    await eventually(async () => ((await states()).join() === 'ended,skipped,running' ? true : undefined));
  });

  it('lets runs wait for each other in a queue', async () => {
    const { nextAt } = await add({ overlap: 'queue', catchUp: 'all' });
    nowMs = Date.parse(nextAt!) + 20 * MINUTE;
    await round(newLauncher());
    for (let ended = 0; ended < 3; ended += 1) {
      await eventually(async () => ((await states())[ended] === 'running' ? true : undefined));
      expect((await runs()).filter(({ status }) => status !== 'completed')).toHaveLength(1);
      await endOne();
      await round(newLauncher());
    }
    await eventually(async () => ((await states()).every((state) => state === 'ended') ? true : undefined));
    const statuses = (await launches()).map(({ runStatus }) => runStatus);
    expect(statuses).toEqual(['completed', 'completed', 'completed']);
  });

  it('cancels what runs before the next one starts, where the policy says so', async () => {
    const { nextAt } = await add({ overlap: 'cancel_running' });
    nowMs = Date.parse(nextAt!);
    await round(newLauncher());
    nowMs += 10 * MINUTE;
    await eventually(async () => {
      await round(newLauncher());
      return (await states()).join() === 'ended,running' ? true : undefined;
    });
    const [first] = await launches();
    expect(first).toMatchObject({ runStatus: 'cancelled' });
    expect((await t.tree(first!.runId!)).reason).toBe('the next run of its schedule is due');
  });

  it('says why a run could not be started, and goes on with the others', async () => {
    const { nextAt } = await add({ params: { day: '${{ timestamp(schedule.previousAt) }}' } });
    await add({ name: 'other' });
    expectStatus(await t.call('POST', '/api/v1/pipelines/train/archive'), 200);
    nowMs = Date.parse(nextAt!);
    await round(newLauncher());
    for (const name of ['nightly', 'other']) {
      expect(await launches(name)).toMatchObject([
        { state: 'refused', reason: expect.stringMatching(/archived/), runId: null },
      ]);
    }
    expectStatus(await t.call('PUT', '/api/v1/pipelines/train', { source: PIPELINE }), 200);
    nowMs += 10 * MINUTE;
    await round(newLauncher());
    await eventually(async () => ((await states()).join() === 'refused,running' ? true : undefined));
  });

  it('pauses a schedule that it cannot decide about, and goes on with the others', async () => {
    const { nextAt } = await add();
    await add({ name: 'other' });
    await t.server.database.pool.query("update schedules set timezone = 'Mars/Base' where name = 'nightly'");
    nowMs = Date.parse(nextAt!);
    await round(newLauncher());
    expect(await launches('other')).toHaveLength(1);
    const { body } = await t.call<Schedule>('GET', '/api/v1/schedules/nightly');
    expect(body).toMatchObject({
      pausedAt: expect.any(String),
      pauseReason: expect.stringMatching(/Mars\/Base/),
    });
  });

  it('decides about nothing while a schedule is paused, and leaves out what waits', async () => {
    const { nextAt } = await add({ overlap: 'queue', catchUp: 'all' });
    nowMs = Date.parse(nextAt!) + 10 * MINUTE;
    await round(newLauncher());
    await eventually(async () => ((await states())[0] === 'running' ? true : undefined));
    expectStatus(await t.call('POST', '/api/v1/schedules/nightly/pause', { reason: 'holidays' }), 200);
    nowMs += 60 * MINUTE;
    await round(newLauncher());
    expect(await launches()).toMatchObject([
      { state: 'running' },
      { state: 'skipped', reason: 'the schedule was paused' },
    ]);
    const resumed = expectStatus(await t.call<Schedule>('POST', '/api/v1/schedules/nightly/resume'), 200);
    expect(Date.parse(resumed.nextAt!)).toBeGreaterThan(Date.now());
  });
});
