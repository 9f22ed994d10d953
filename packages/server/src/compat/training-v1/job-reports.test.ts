import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pullJob } from '../../testing/pulled-job.ts';
import { expectStatus, startTestServer, type TestServer } from '../../testing/test-server.ts';

const PIPELINE = `
name: training
params: { epochs: { type: integer, default: 3 } }
stages:
  - { name: train, job: { command: [python3, train.py], queue: pull } }
`;

interface Refused {
  success: boolean;
  error: string;
  code: string;
}

describe('what a trainer reports with the token of its job', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());

  let workers = 0;
  async function claimed(): Promise<{ rootId: string; id: string; token: string }> {
    const rootId = await t.submit(PIPELINE);
    workers += 1;
    const id = (await t.tree(rootId)).children[0]!.id;
    return { rootId, id, token: await pullJob(t.call, id, `agent_${workers}`) };
  }
  const at = (id: string, what: string) => `/api/training/local/${id}/${what}`;
  const statusOf = async (id: string) => (await t.tree(id)).children[0]!.status;

  it('goes through its statuses; repeats change nothing, and what is over stays', async () => {
    const { rootId, id, token } = await claimed();
    const report = (body: object) => t.call<Refused>('PATCH', at(id, 'status'), body, { token });
    expect(expectStatus(await report({ status: 'running' }), 200)).toMatchObject({
      success: true,
      status: 'running',
      updated_at: expect.stringMatching(/Z$/),
    });
    expectStatus(await report({ status: 'running' }), 200);
    const wrong = await report({ status: 'pending' });
    expect([wrong.status, wrong.body.success, wrong.body.code]).toEqual([400, false, 'INVALID_REQUEST']);
    expectStatus(await report({ status: 'failed', error: 'out of memory' }), 200);
    expectStatus(await report({ status: 'failed', error: 'out of memory' }), 200);
    const late = await report({ status: 'running' });
    expect([late.status, late.body.code]).toEqual([409, 'INVALID_STATUS']);
    expect((await report({ status: 'completed' })).status).toBe(409);
    const tree = await t.treeWhen(rootId, ({ endedAt }) => endedAt !== null);
    expect(tree.status).toBe('failed');
    expect(tree.children[0]).toMatchObject({ status: 'failed', error: { message: 'out of memory' } });
    expect(tree.children[0]!.endedAt).not.toBeNull();
  });

  it('stores log lines once when they carry their number, and answers pages', async () => {
    const { id, token } = await claimed();
    const send = (body: object) =>
      t.call<{ logs_appended: number; total_logs: number } & Refused>('POST', at(id, 'logs'), body, {
        token,
      });
    expect(expectStatus(await send({ logs: ['a', 'b'], sequence: 0 }), 200)).toEqual({
      success: true,
      logs_appended: 2,
      total_logs: 2,
    });
    expectStatus(await send({ logs: ['a', 'b'], sequence: 0 }), 200);
    expect((await send({ logs: ['b', 'c'], sequence: 1 })).body.total_logs).toBe(3);
    const gap = await send({ logs: ['x'], sequence: 9 });
    expect([gap.status, gap.body.code]).toEqual([409, 'STREAM_GAP']);
    expect((await send({ logs: [] })).body.total_logs).toBe(3);
    expect((await send({ logs: ['d', 7] })).status).toBe(400);
    expect((await send({ logs: ['two\nlines'], sequence: 3 })).status).toBe(400);
    expect((await send({ logs: ['two\nlines', 'ünïcode'] })).body.total_logs).toBe(6);
    const { body } = await t.call('GET', `${at(id, 'logs')}?limit=3&offset=2`, undefined, { token });
    expect(body).toEqual({
      logs: ['c', 'two', 'lines'],
      total_lines: 6,
      offset: 2,
      limit: 3,
      first_offset: 0,
    });
    const beyond = await t.call<{ logs: string[] }>('GET', `${at(id, 'logs')}?offset=99`, undefined, {
      token,
    });
    expect(beyond.body.logs).toEqual([]);
  });

  it('keeps the last 10,000 lines in view, and their numbers stay what they are', async () => {
    const { id, token } = await claimed();
    for (let from = 0; from < 12_000; from += 3000) {
      const logs = Array.from({ length: 3000 }, (_, index) => `line ${from + index}`);
      expectStatus(await t.call('POST', at(id, 'logs'), { logs, sequence: from }, { token }), 200);
    }
    const read = async (offset: number) =>
      (
        await t.call<{ logs: string[]; offset: number; total_lines: number; first_offset: number }>(
          'GET',
          `${at(id, 'logs')}?offset=${offset}&limit=2`,
          undefined,
          { token },
        )
      ).body;
    expect(await read(0)).toMatchObject({
      logs: ['line 2000', 'line 2001'],
      offset: 2000,
      first_offset: 2000,
    });
    expect(await read(2999)).toMatchObject({ logs: ['line 2999', 'line 3000'], total_lines: 12_000 });
    expect((await read(11_999)).logs).toEqual(['line 11999']);
  });

  it('takes metrics from step 0 on, makes the job run, and keeps what is no number', async () => {
    const { rootId, id, token } = await claimed();
    const point = { step: 0, epoch: 0, train_loss: 2.5, timestamp: '2026-01-01T00:00:00' };
    expectStatus(await t.call('PUT', at(id, 'metrics'), point, { token }), 200);
    await t.treeWhen(rootId, ({ children }) => children[0]!.status === 'running');
    const raw = `{"job_id": "${id}", "metrics": [{"step": 2, "epoch": 1, "train_loss": NaN, "eval_loss": Infinity},
      {"step": 1, "epoch": 0.5, "train_loss": 2.0}]}`;
    const batch = await t.call<{ total_metrics: number }>('POST', '/api/training/local/metrics', raw, {
      token,
    });
    expect(expectStatus(batch, 200).total_metrics).toBe(3);
    const { body } = await t.call<{ metrics: object[] }>('GET', at(id, 'metrics'), undefined, { token });
    expect(body.metrics).toEqual([
      { step: 0, epoch: 0, train_loss: 2.5, timestamp: '2026-01-01T00:00:00.000Z', non_finite: [] },
      expect.objectContaining({ step: 1, epoch: 0.5, train_loss: 2, non_finite: [] }),
      expect.objectContaining({
        step: 2,
        train_loss: 'NaN',
        eval_loss: 'Infinity',
        non_finite: ['eval_loss', 'train_loss'],
      }),
    ]);
    const ours = await t.call<Record<string, { step: number; value: unknown }[]>>(
      'GET',
      `/api/v1/runs/${id}/metrics?key=train_loss`,
    );
    expect(ours.body['train_loss']).toHaveLength(3);
    for (const wrong of [{ epoch: 1 }, { step: -1, epoch: 1 }, { step: 1 }, { step: 1.5, epoch: 1 }])
      expect((await t.call('PUT', at(id, 'metrics'), wrong, { token })).status).toBe(400);
    const put = async (body: object) =>
      (await t.call<Refused>('PUT', at(id, 'metrics'), body, { token })).body;
    expect(await put({ step: 1 })).toMatchObject({ error: 'body/epoch: is required' });
    expect(await put({ step: -1, epoch: 1 })).toMatchObject({
      error: 'body/step: must be at least 0, found -1',
    });
    expect((await t.call('GET', `${at(id, 'metrics')}?limit=5001`, undefined, { token })).status).toBe(400);
    const page = await t.call<{ metrics: object[]; next_step: number }>(
      'GET',
      `${at(id, 'metrics')}?limit=1&start_step=1`,
      undefined,
      { token },
    );
    expect([page.body.metrics.length, page.body.next_step]).toEqual([1, 2]);
  });

  it('scenario 28: is refused without its token, with that of another job, and when its time is over', async () => {
    const one = await claimed();
    const other = await claimed();
    const patch = (token: string | undefined, id = one.id) =>
      t.call<Refused>('PATCH', at(id, 'status'), { status: 'completed' }, { token });
    expect((await patch(undefined)).status).toBe(401);
    expect((await patch('tya_wrong')).status).toBe(401);
    expect((await patch(other.token)).status).toBe(401);
    expect((await patch(one.token, 'run_none')).status).toBe(404);
    expect((await t.call('POST', at(one.id, 'logs'), { logs: ['x'] }, { token: other.token })).status).toBe(
      401,
    );
    expect((await t.call('PUT', at(one.id, 'metrics'), { step: 1, epoch: 1 }, {})).status).toBe(401);
    expect(await statusOf(one.rootId)).not.toBe('completed');
    await t.server.database.pool.query(
      "update attempts set lease_until = now() - interval '1 minute' where run_id = $1",
      [one.id],
    );
    expect((await patch(one.token)).body.error).toContain('lease');
  });

  it('scenario 28: takes the last lines after the end for a while, then nothing', async () => {
    const { id, token } = await claimed();
    expectStatus(await t.call('PATCH', at(id, 'status'), { status: 'completed' }, { token }), 200);
    expectStatus(await t.call('POST', at(id, 'logs'), { logs: ['the last line'] }, { token }), 200);
    expect((await t.call('PUT', at(id, 'metrics'), { step: 1, epoch: 1 }, { token })).status).toBe(409);
    await t.server.database.pool.query(
      "update attempts set ended_at = now() - interval '3 minutes' where run_id = $1",
      [id],
    );
    const late = await t.call<Refused>('POST', at(id, 'logs'), { logs: ['too late'] }, { token });
    expect([late.status, late.body.code]).toEqual([401, 'UNAUTHENTICATED']);
    const { body } = await t.call<{ logs: string[] }>('GET', at(id, 'logs'));
    expect(body.logs).toEqual(['the last line']);
  });
});
