import type { JobStatusView, ReleasedJob, SteerReleased } from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ScriptedAgent } from '../../testing/scripted-agent.ts';
import { expectStatus, startTestServer, type TestServer } from '../../testing/test-server.ts';

const PIPELINE = `
name: training
stages:
  - { name: train, job: { command: [python3, train.py], jobToken: true } }
`;

let t: TestServer;
let agent: ScriptedAgent;
beforeAll(async () => {
  t = await startTestServer();
  agent = await t.agent();
});
afterAll(() => t.end());

/** A job whose attempt gave its slot back three hours ago. */
async function released() {
  const rootId = await t.submit(PIPELINE);
  const taken = await agent.take('train');
  await agent.report(taken, 'started');
  const { runId: id, attemptId } = taken.spec;
  const { token: own } = taken;
  const minted = await t.call<{ token: string }>(
    'POST',
    `/api/v1/attempts/${attemptId}/job-token`,
    {},
    { token: own },
  );
  expectStatus(await t.call('POST', `/api/v1/runs/${id}/pause`, { mode: 'release' }), 202);
  await agent.report(taken, { outcome: 'released', checkpoint: { path: '/tmp/step-5', step: 5 } });
  await t.treeWhen(rootId, ({ children }) => children[0]!.status === 'paused');
  await t.server.database.pool.query(
    "update attempts set ended_at = now() - interval '3 hours' where run_id = $1",
    [id],
  );
  const send = <T>(method: string, what: string, body?: object, token = own) =>
    t.call<T>(method, `/api/training/local/${id}/${what}`, body, { token });
  const after = async () => {
    const path = `/api/v1/agents/${agent.id}/released-jobs`;
    const { items } = expectStatus(
      await t.call<{ items: ReleasedJob[] }>('POST', path, { attemptIds: [attemptId] }),
      200,
    );
    return items;
  };
  const steer = (action: SteerReleased['action'], who = agent.id) =>
    t.call<{ error?: { code: string } }>('POST', `/api/v1/agents/${who}/released-jobs/${attemptId}`, {
      action,
    });
  return { rootId, id, attemptId, program: minted.body.token, send, after, steer };
}

it('a job that gave its slot back has not ended, and its agent may let it go on however long that was ago', async () => {
  const job = await released();
  const path = `/api/training/local/${job.id}/status`;
  const view = expectStatus(await t.call<JobStatusView>('GET', path), 200);
  expect(view).toMatchObject({ status: 'paused', completed_at: null });
  expect(await job.after()).toEqual([{ attemptId: job.attemptId, status: 'paused', endedAt: null }]);
  // The tokens of the attempt are worth nothing so long after its end.
  expect((await job.send('PATCH', 'status', { status: 'running' })).status).toBe(401);
  expect((await job.send('PATCH', 'status', { status: 'running' }, job.program)).status).toBe(401);
  const other = await t.agent();
  expect((await job.steer('resume', other.id)).status).toBe(404);
  expectStatus(await job.steer('resume'), 202);
  const next = await agent.take('train');
  expect(next.spec).toMatchObject({ runId: job.id, number: 2, resumeFrom: { path: '/tmp/step-5' } });
  const late = await job.steer('cancel');
  expect([late.status, late.body.error?.code]).toEqual([409, 'CONFLICT']);
  expect(await job.after()).toMatchObject([{ status: 'running', endedAt: null }]);
  await agent.report(next, 'started');
  await agent.report(next, { outcome: 'completed' });
  await t.treeWhen(job.rootId, ({ endedAt }) => endedAt !== null);
  expect(await job.after()).toMatchObject([{ status: 'completed', endedAt: expect.any(String) }]);
});

it('a job that gave its slot back may be cancelled by its agent', async () => {
  const job = await released();
  expectStatus(await job.steer('cancel'), 202);
  const tree = await t.treeWhen(job.rootId, ({ endedAt }) => endedAt !== null);
  expect(tree.children[0]!.status).toBe('cancelled');
  expect((await job.steer('resume')).status).toBe(409);
  expect(await job.after()).toMatchObject([{ status: 'cancelled' }]);
  const other = await t.agent();
  const path = `/api/v1/agents/${other.id}/released-jobs`;
  expect((await t.call('POST', path, { attemptIds: [job.attemptId] })).body).toEqual({ items: [] });
});
