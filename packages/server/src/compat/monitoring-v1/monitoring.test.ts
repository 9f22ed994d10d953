import type { MonitorMessage } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startTestServer, type TestServer } from '../../testing/test-server.ts';
import { playbackIntervalMs } from './playback.ts';

const SOCKETS = 200;
const MAX_CONNECTIONS = 20;

describe('monitoring of the older system', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());

  async function startJob() {
    const agent = await t.agent({ queues: ['monitored'] });
    await t.submit('name: p\nstages: [{ name: train, job: { command: x, queue: monitored } }]\n');
    const assigned = await agent.take();
    await agent.report(assigned, 'started');
    const { runId, attemptId, epoch } = assigned.spec;
    const progress = (body: Record<string, unknown>) =>
      t.call('POST', '/api/v1/reports', {
        reports: [{ kind: 'progress', attemptId, epoch, token: assigned.token, progress: body }],
      });
    return { agent, assigned, runId, progress };
  }

  it('sends each line once, half-written ones when they are whole, statuses, and the end (A4)', async () => {
    const { agent, assigned, runId, progress } = await startJob();
    const first = '{"step":0,"loss":{"actor_loss":NaN},"timestamp":1760000000.5}\n{"step":1,"lo';
    await agent.append(assigned, 'metrics', 0, first);
    const socket = await openSocket(`${t.server.url}/api/v1/monitoring/${runId}/live`);
    await socket.until((all) => all.some(({ type }) => type === 'metric'));
    await progress({ current_step: 1, total_steps: 2, anomaly_detected: false });
    await agent.append(assigned, 'metrics', first.length, 'ss":2}\nnot json\n{"step":2,"loss":1}');
    await socket.until((all) => all.filter(({ type }) => type === 'metric').length === 2);
    await agent.report(assigned, { outcome: 'completed' });
    expect(await socket.closed).toBe(1000);
    const metrics = socket.messages.flatMap((one) => (one.type === 'metric' ? [one.data] : []));
    expect(metrics).toEqual([
      { step: 0, loss: { actor_loss: 'NaN' }, timestamp: 1760000000.5 },
      { step: 1, loss: 2 },
      { step: 2, loss: 1 },
    ]);
    const statuses = socket.messages.flatMap((one) => (one.type === 'status' ? [one.data] : []));
    expect(statuses).toContainEqual(
      expect.objectContaining({ status: 'running', current_step: 1, job_id: runId }),
    );
    expect(socket.messages.at(-1)).toEqual({ type: 'finished', status: 'completed' });
  });

  it('puts the anomaly of the status file on the row of its step, and reads rows by range of steps', async () => {
    const { agent, assigned, runId, progress } = await startJob();
    const line = (step: number) =>
      `{"step":${step},"timestamp":${step},"loss":{"actor_loss":${step}},"reward":{"mean":${step === 3 ? 'Infinity' : 0.5}}}\n`;
    await agent.append(assigned, 'metrics', 0, Array.from({ length: 10 }, (_, step) => line(step)).join(''));
    await progress({ current_step: 3, anomaly_detected: true, anomaly_reason: 'KL too high' });
    await progress({ current_step: 4, anomaly_detected: false });
    await progress({ current_step: 'x', anomaly_detected: true });
    const { body } = await t.call<{ total: number; metrics: unknown[] }>(
      'GET',
      `/monitoring/${runId}/metrics?start_step=2&end_step=4`,
    );
    expect(body.total).toBe(3);
    const row = { anomaly_detected: false, anomaly_reason: null };
    expect(body.metrics).toEqual([
      { step: 2, timestamp: 2, policy_loss: 2, reward_mean: 0.5, ...row },
      {
        step: 3,
        timestamp: 3,
        policy_loss: 3,
        reward_mean: 'Infinity',
        anomaly_detected: true,
        anomaly_reason: 'KL too high',
      },
      { step: 4, timestamp: 4, policy_loss: 4, reward_mean: 0.5, ...row },
    ]);
    const limited = await t.call<{ total: number; metrics: unknown[] }>(
      'GET',
      `/api/v1/monitoring/${runId}/metrics?limit=1`,
    );
    expect([limited.body.total, limited.body.metrics.length]).toEqual([10, 1]);
  });

  it('has no rows of what the agent measures, whose steps are seconds', async () => {
    const { agent, assigned, runId } = await startJob();
    const then = Date.now() / 1000 - 400;
    const line = (step: number) => `{"step":${step},"timestamp":${then},"loss":${step + 1}}\n`;
    await agent.append(assigned, 'metrics', 0, line(0) + line(1));
    await agent.append(
      assigned,
      'system',
      0,
      '{"step":1,"system/process/count":2}\n{"step":9,"system/process/count":3}\n',
    );
    const { body } = await t.call<{ metrics: unknown[] }>('GET', `/monitoring/${runId}/metrics`);
    expect(body.metrics).toMatchObject([
      { step: 0, loss: 1 },
      { step: 1, loss: 2 },
    ]);
    expect(JSON.stringify(body)).not.toContain('system');
    const socket = await openSocket(`${t.server.url}/monitoring/${runId}/playback?speed=10`);
    expect(await socket.closed).toBe(1000);
    expect(socket.messages[0]).toMatchObject({ total: 2 });
    const older = await t.call<{ metrics: { step: number }[] }>(
      'GET',
      `/api/training/local/${runId}/metrics`,
    );
    expect(older.body.metrics.map(({ step }) => step)).toEqual([0, 1]);
    expect(JSON.stringify(older.body)).not.toContain('system');
    await t.server.database.pool.query(
      "update runs set started_at = now() - interval '500 seconds' where id = $1",
      [runId],
    );
    expect((await t.call('GET', `/api/training/local/${runId}/status`)).body).toMatchObject({
      current_step: 1,
      warnings: [{ code: 'stale' }],
    });
  });

  it('plays stored metrics back with their place and share, and closes', async () => {
    const { agent, assigned, runId } = await startJob();
    const lines = Array.from(
      { length: 6 },
      (_, step) => `{"step":${step},"loss":1,"performance":{"step_time":0.02}}\n`,
    );
    await agent.append(assigned, 'metrics', 0, lines.join(''));
    const url = `${t.server.url}/monitoring/${runId}/playback`;
    const socket = await openSocket(`${url}?start_step=1&end_step=4&speed=10`);
    expect(await socket.closed).toBe(1000);
    expect(socket.messages[0]).toEqual({
      type: 'playback_info',
      total: 4,
      start_step: 1,
      end_step: 4,
      speed: 10,
    });
    expect(socket.messages.slice(1, -1)).toMatchObject(
      [1, 2, 3, 4].map((step, index) => ({
        type: 'metric',
        data: { step },
        progress: (index + 1) / 4,
        current_index: index,
        total: 4,
      })),
    );
    expect(socket.messages.at(-1)).toEqual({ type: 'playback_complete', total: 4 });
    await expect(openSocket(`${url}?speed=11`)).rejects.toThrow('400');
  });

  it('waits as long as a step took, at most two seconds, else half a second, divided by the speed', () => {
    expect(playbackIntervalMs({ performance_step_time: 1.5 }, 1)).toBe(1500);
    expect(playbackIntervalMs({ performance_step_time: 9 }, 1)).toBe(2000);
    expect(playbackIntervalMs({ performance_step_time: 9 }, 10)).toBe(200);
    expect(playbackIntervalMs({ loss: 1 }, 1)).toBe(500);
    expect(playbackIntervalMs({}, 0.1)).toBe(5000);
  });

  it('tells of a job that does not exist, and closes', async () => {
    for (const name of ['live', 'playback']) {
      const socket = await openSocket(`${t.server.url}/monitoring/run_none/${name}`);
      expect(await socket.closed).toBe(1000);
      expect(socket.messages).toEqual([{ type: 'error', message: 'There is no job run_none.' }]);
    }
    expect((await t.call('GET', '/monitoring/run_none/metrics')).status).toBe(404);
  });

  it(`holds no connection of the database for ${SOCKETS} open sockets (A8.13)`, async () => {
    const { agent, assigned, runId } = await startJob();
    const url = `${t.server.url}/monitoring/${runId}/live`;
    const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => openSocket(url)));
    await agent.append(assigned, 'metrics', 0, '{"step":1,"loss":1}\n');
    await Promise.all(sockets.map((one) => one.until((all) => all.some(({ type }) => type === 'metric'))));
    const { pool } = t.server.database;
    await expect
      .poll(() => pool.totalCount - pool.idleCount + pool.waitingCount, { timeout: 20_000 })
      .toBe(0);
    expect(pool.totalCount).toBeLessThanOrEqual(MAX_CONNECTIONS);
    expect((await t.call('GET', `/api/v1/runs/${runId}`)).status).toBe(200);
    for (const socket of sockets) socket.close();
    await agent.report(assigned, { outcome: 'completed' });
  });
});

async function openSocket(url: string) {
  const socket = new WebSocket(url.replace('http', 'ws'));
  const messages: MonitorMessage[] = [];
  let wake = (): void => {};
  socket.on('message', (data) => {
    messages.push(JSON.parse(String(data)) as MonitorMessage);
    wake();
  });
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await new Promise<void>((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  });
  return {
    messages,
    closed,
    close: () => socket.close(),
    async until(holds: (all: readonly MonitorMessage[]) => boolean): Promise<void> {
      const deadlineMs = Date.now() + 20_000;
      while (!holds(messages)) {
        if (Date.now() > deadlineMs)
          throw new Error(`not within 20 s: ${JSON.stringify(messages).slice(-2000)}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 200);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
  };
}
