import type { Assignment } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScriptedAgent } from '../../testing/scripted-agent.ts';
import { expectStatus, startTestServer, type TestServer } from '../../testing/test-server.ts';

const PIPELINE = `
name: training
stages:
  - { name: train, job: { command: [python3, train.py], jobToken: true } }
`;
const SILENT = PIPELINE.replace(', jobToken: true', '');

interface Answered {
  success: boolean;
  error: string;
  code: string;
}

describe('the token that a program asks for', () => {
  let t: TestServer;
  let agent: ScriptedAgent;
  beforeAll(async () => {
    t = await startTestServer();
    agent = await t.agent();
  });
  afterAll(() => t.end());

  const mint = ({ spec, token }: Pick<Assignment, 'spec' | 'token'>) =>
    t.call<{ token: string }>('POST', `/api/v1/attempts/${spec.attemptId}/job-token`, {}, { token });
  /** A started job whose program has its token. */
  async function started() {
    const rootId = await t.submit(PIPELINE);
    const taken = await agent.take('train');
    await agent.report(taken, 'started');
    await t.treeWhen(rootId, ({ children }) => children[0]!.status === 'running');
    const { token } = expectStatus(await mint(taken), 200);
    const id = taken.spec.runId;
    return {
      rootId,
      id,
      taken,
      token,
      send: <T = Answered>(method: string, what: string, body?: object) =>
        t.call<T>(method, `/api/training/local/${id}/${what}`, body, { token }),
      end: async () => {
        const tree = await t.treeWhen(rootId, ({ endedAt }) => endedAt !== null);
        return tree.children[0]!;
      },
    };
  }
  const refusal = ({ status, body }: { status: number; body: Answered }) => [status, body.code];

  it('is made only for stages that ask, only with the token of the attempt, and stored as a hash', async () => {
    await t.submit(SILENT);
    const silent = await agent.take('train');
    expect((await mint(silent)).status).toBe(400);
    const job = await started();
    expect(job.token).toMatch(/^tyj_/);
    expect((await mint({ ...job.taken, token: job.token })).status).toBe(401);
    expect((await mint({ ...job.taken, token: silent.token })).status).toBe(401);
    const { rows } = await t.server.database.pool.query<{ text: string }>(
      'select a::text as text from attempts a',
    );
    expect(rows.map(({ text }) => text).join()).not.toContain(job.token);
    // A second one replaces it: the answer of the first may have been lost.
    expectStatus(await mint(job.taken), 200);
    expect(refusal(await job.send('POST', 'logs', { logs: ['x'] }))[0]).toBe(401);
  });

  it('reports logs, metrics and checkpoints beside what the agent sends, each once', async () => {
    const job = await started();
    await agent.append(job.taken, 'log', 0, 'printed\n');
    expect((await job.send('POST', 'logs', { logs: ['told'], sequence: 0 })).body).toMatchObject({
      total_logs: 2,
    });
    expect((await job.send('POST', 'logs', { logs: ['told', 'more'], sequence: 0 })).body).toMatchObject({
      logs_appended: 2,
      total_logs: 3,
    });
    expect((await agent.append(job.taken, 'log', 8, 'again\n')).body).toEqual({ size: 14 });
    const point = { step: 1, epoch: 0, train_loss: 0.5, sequence: 0 };
    expect((await job.send('PUT', 'metrics', point)).body).toMatchObject({ total_metrics: 1 });
    expect((await job.send('PUT', 'metrics', point)).body).toMatchObject({ total_metrics: 1 });
    await agent.append(job.taken, 'metrics', 0, '{"step": 2, "train_loss": 0.25}\n');
    expectStatus(await job.send('POST', 'checkpoints', { path: '/c/1', step: 1, eval_loss: 2 }), 200);
    const read = async (what: string) => (await job.send('GET', what)).body;
    expect(await read('logs')).toMatchObject({ logs: ['printed', 'told', 'more', 'again'] });
    expect(await read('metrics')).toMatchObject({
      metrics: [
        { step: 1, train_loss: 0.5 },
        { step: 2, train_loss: 0.25 },
      ],
    });
    expect(await read('checkpoints')).toMatchObject({ checkpoints: [{ path: '/c/1', step: 1 }] });
  });

  it('is good for its own run and for nothing else', async () => {
    const [one, two] = [await started(), await started()];
    const { token } = one;
    expect((await t.call('GET', `/api/training/local/${two.id}/logs`, undefined, { token })).status).toBe(
      401,
    );
    const { attemptId, epoch } = one.taken.spec;
    const stream = `/api/v1/attempts/${attemptId}/streams/log?offset=0&epoch=${epoch}`;
    const octets = { headers: { 'content-type': 'application/octet-stream' }, token };
    expect((await t.call('POST', stream, Buffer.from('x'), octets)).status).toBe(401);
    const base = { attemptId, epoch, token, at: Date.now() };
    const { body } = await t.call<{ results: object[] }>('POST', '/api/v1/reports', {
      reports: [{ kind: 'started', ...base }],
    });
    expect(body.results).toMatchObject([{ ok: false, code: 'UNAUTHENTICATED' }]);
    for (const path of ['/api/v1/runs', `/api/v1/attempts/${attemptId}/secrets`, '/api/v1/agents']) {
      expect((await t.call('GET', path, undefined, { token })).status, path).toBe(401);
    }
    const handover = { agent_id: one.taken.spec.attemptId, config: {} };
    expect((await one.send('POST', 'handover', handover)).status).toBe(403);
    expect((await one.send('POST', 'control', { action: 'cancel' })).status).toBe(401);
  });

  it('takes the agent to be the one who sees the end: what was said counts then', async () => {
    const completed = await started();
    expectStatus(await completed.send('PATCH', 'status', { status: 'running' }), 200);
    expectStatus(await completed.send('PATCH', 'status', { status: 'completed' }), 200);
    expectStatus(await completed.send('PATCH', 'status', { status: 'completed' }), 200);
    expect(refusal(await completed.send('PATCH', 'status', { status: 'failed' }))).toEqual([
      409,
      'INVALID_STATUS',
    ]);
    expect((await t.tree(completed.rootId)).children[0]!.status).toBe('running');
    const exit3 = { code: 'exit_code', message: 'exit code 3' };
    await agent.report(completed.taken, { outcome: 'failed', exitCode: 3, error: exit3 });
    expect(await completed.end()).toMatchObject({ status: 'failed', error: exit3 });

    for (const end of [
      { outcome: 'completed' as const },
      { outcome: 'failed' as const, exitCode: 3, error: exit3 },
    ]) {
      const failed = await started();
      expectStatus(await failed.send('PATCH', 'status', { status: 'failed', error: 'no such column' }), 200);
      expect(await agent.report(failed.taken, end)).toMatchObject({ ok: true });
      expect(await agent.report(failed.taken, end)).toMatchObject({ ok: true });
      expect(await failed.end()).toMatchObject({
        status: 'failed',
        error: { code: 'reported_failure', message: 'no such column' },
      });
    }
    const killed = await started();
    expectStatus(await killed.send('PATCH', 'status', { status: 'failed', error: 'soon' }), 200);
    const signal = { code: 'signal', message: 'ended by SIGKILL' };
    await agent.report(killed.taken, { outcome: 'failed', exitCode: null, signal: 'SIGKILL', error: signal });
    expect(await killed.end()).toMatchObject({ status: 'failed', error: signal });
    expect(refusal(await killed.send('PATCH', 'status', { status: 'cancelled' }))).toEqual([
      409,
      'INVALID_STATUS',
    ]);
  });

  it('ends with the lease and soon after the end, and never renews the lease of its agent', async () => {
    const job = await started();
    const set = (change: string) =>
      t.server.database.pool.query(`update attempts set ${change} where run_id = $1`, [job.id]);
    await set("lease_until = now() + interval '5 seconds'");
    expectStatus(await job.send('POST', 'logs', { logs: ['x'] }), 200);
    const { rows } = await t.server.database.pool.query<{ left: number }>(
      'select extract(epoch from lease_until - now())::float8 as left from attempts where run_id = $1',
      [job.id],
    );
    expect(rows[0]!.left).toBeLessThanOrEqual(5);
    await set("lease_until = now() - interval '1 minute', status = 'paused'");
    expect((await job.send('POST', 'logs', { logs: ['y'] })).status).toBe(401);
    const other = await started();
    await agent.report(other.taken, { outcome: 'completed' });
    await other.end();
    expectStatus(await other.send('POST', 'logs', { logs: ['last words'] }), 200);
    expect(refusal(await other.send('PUT', 'metrics', { step: 1, epoch: 1 }))).toEqual([
      409,
      'INVALID_STATUS',
    ]);
    await t.server.database.pool.query(
      "update attempts set ended_at = now() - interval '3 minutes' where run_id = $1",
      [other.id],
    );
    expect((await other.send('POST', 'logs', { logs: ['too late'] })).status).toBe(401);
  });
});
