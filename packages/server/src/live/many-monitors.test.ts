import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

const MONITORS = 200;
const JOBS = 250;
/** Of the pool of a server. */
const MAX_CONNECTIONS = 20;

describe('many at once', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());

  it(`as ${MONITORS} open monitors hold no connection of the database, and all get each point once`, async () => {
    const { pool } = t.server.database;
    const inUse = () => pool.totalCount - pool.idleCount + pool.waitingCount;
    const agent = await t.agent();
    const id = await t.submit('name: watched\nstages: [{ name: train, job: { command: x } }]\n');
    const assigned = await agent.take();
    const { runId } = assigned.spec;
    const monitors = await Promise.all(Array.from({ length: MONITORS }, () => t.live()));
    for (const monitor of monitors) {
      monitor.send({ op: 'subscribe_metrics', runId });
      monitor.send({ op: 'subscribe_log', runId });
      monitor.send({ op: 'subscribe_run', rootId: id });
      monitor.send({ op: 'ping' });
    }
    await Promise.all(monitors.map((monitor) => monitor.next('pong')));
    await expect.poll(inUse, { timeout: 20_000 }).toBe(0);
    expect((await t.call('GET', `/api/v1/runs/${id}`)).status).toBe(200);

    await agent.append(assigned, 'metrics', 0, '{"step":1,"loss":0.5}\n{"step":2,"loss":0.25}\n');
    const stepsOf = (at: number) =>
      monitors[at]!.messages.flatMap((message) =>
        message.type === 'points' ? (message.points['loss'] ?? []).map(({ step }) => step) : [],
      );
    await Promise.all(monitors.map((monitor, at) => monitor.until(() => stepsOf(at).length >= 2)));
    for (const at of monitors.keys()) expect(stepsOf(at)).toEqual([1, 2]);
    expect(pool.totalCount).toBeLessThanOrEqual(MAX_CONNECTIONS);

    await Promise.all(monitors.map((monitor) => monitor.close()));
    await expect.poll(inUse, { timeout: 20_000 }).toBe(0);
    await agent.report(assigned, { outcome: 'completed' });
    expect((await t.treeWhen(id, ({ endedAt }) => endedAt !== null)).status).toBe('completed');
  });

  it(`as ${JOBS} running jobs all have their metrics stored`, async () => {
    const agent = await t.agent({ queues: ['many'] });
    const items = JSON.stringify(Array.from({ length: JOBS }, (_, at) => at));
    const id = await t.submit(
      `name: many\nstages:\n  - name: each\n    foreach: { item: x, in: ${items}, maxParallel: ${JOBS} }\n    job: { command: x, queue: many }\n`,
    );
    const running = [];
    while (running.length < JOBS) running.push(await agent.take());
    await Promise.all(running.map((assigned) => agent.report(assigned, 'started')));
    const answers = await Promise.all(
      running.map((assigned, at) => agent.append(assigned, 'metrics', 0, `{"step":7,"loss":${at}}\n`)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    for (const [at, { spec }] of running.entries()) {
      const { body } = await t.call<Record<string, { step: number; value: number }[]>>(
        'GET',
        `/api/v1/runs/${spec.runId}/metrics?firstStep=0&lastStep=100`,
      );
      expect(body['loss']).toMatchObject([{ step: 7, value: at }]);
    }
    expect((await t.tree(id)).endedAt).toBeNull();
  });
});
