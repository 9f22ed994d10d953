import type { AgentCommand, JobParamUpdate } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pullJob } from '../../testing/pulled-job.ts';
import type { ScriptedAgent } from '../../testing/scripted-agent.ts';
import { expectStatus, startTestServer, type TestServer } from '../../testing/test-server.ts';

const pipeline = (queue: string, more = '') => `
name: training
params: { learning_rate: { type: number, default: 0.1 }, epochs: { type: integer, default: 2 } }
stages:
  - name: train
    retry: { attempts: 2, backoff: 0s }
    job: { command: [python3, train.py], queue: ${queue}${more} }
`;

interface Updated {
  success: boolean;
  update: JobParamUpdate;
  error: string;
  code: string;
}

describe('params of a running job', () => {
  let t: TestServer;
  let agent: ScriptedAgent;
  beforeAll(async () => {
    t = await startTestServer();
    agent = await t.agent();
  });
  afterAll(() => t.end());

  const update = (id: string, body: object) =>
    t.call<Updated>('POST', `/api/training/local/${id}/update-params`, body);
  const read = async <T>(id: string, what: string) =>
    (await t.call<T>('GET', `/api/training/local/${id}/${what}`)).body;
  async function started(queue = 'default', more = '') {
    const rootId = await t.submit(pipeline(queue, more));
    const taken = await agent.take('train');
    await agent.report(taken, 'started');
    await t.treeWhen(rootId, ({ children }) => children[0]!.status === 'running');
    return { rootId, taken, id: taken.spec.runId };
  }
  type Taken = Awaited<ReturnType<typeof started>>['taken'];
  const held = ({ spec }: Taken, paramsRevision?: number) => ({
    ...{ attemptId: spec.attemptId, epoch: spec.epoch, cancelling: false },
    ...(paramsRevision === undefined ? {} : { paramsRevision }),
  });
  const commands = async (taken: Taken, paramsRevision?: number) => {
    const { body } = await t.call<{ commands: AgentCommand[] }>(
      'POST',
      `/api/v1/agents/${agent.id}/heartbeat`,
      {
        held: [held(taken, paramsRevision)],
      },
    );
    return body.commands;
  };
  const answer = ({ spec, token }: Taken, given: object) =>
    t.call<{ results: object[] }>('POST', '/api/v1/reports', {
      reports: [{ kind: 'params', attemptId: spec.attemptId, epoch: spec.epoch, token, answer: given }],
    });

  it('are handed to its agent, all that were asked for at once, and the answer is recorded', async () => {
    const { taken, id } = await started();
    expect(await commands(taken, 0)).toEqual([]);
    const first = expectStatus(await update(id, { learning_rate: 0.01, warmup_steps: 0 }), 200);
    expect(first.update).toMatchObject({
      revision: 1,
      state: 'pending',
      params: { learning_rate: 0.01, warmup_steps: 0 },
      accepted: null,
    });
    // A claim call that waits is answered at once.
    const waiting = agent.claim({ held: [held(taken, 1)], waitMs: 20_000, free: 0 });
    expectStatus(await update(id, { learning_rate: 0.02, batch_size: 4 }), 200);
    const expected = {
      action: 'update_params',
      update: { revision: 2, params: { learning_rate: 0.02, warmup_steps: 0, batch_size: 4 } },
    };
    expect((await waiting).body.commands).toMatchObject([expected]);
    expect(await commands(taken, 0)).toMatchObject([expected]);
    expect(await commands(taken, 2)).toEqual([]);
    // An agent that knows nothing of this is told nothing.
    expect(await commands(taken)).toEqual([]);
    const given = {
      revision: 2,
      accepted: { learning_rate: 0.02 },
      rejected: { batch_size: 'the loader is built' },
      step: 40,
    };
    for (let times = 0; times < 2; times += 1) {
      expect((await answer(taken, given)).body.results).toMatchObject([{ ok: true }]);
    }
    const shown = await read<{ config: object; param_updates: JobParamUpdate[] }>(id, 'status');
    expect(shown.config).toEqual({ learning_rate: 0.02, epochs: 2 });
    expect(shown.param_updates).toMatchObject([
      {
        revision: 2,
        state: 'answered',
        accepted: { learning_rate: 0.02 },
        rejected: given.rejected,
        step: 40,
      },
      { revision: 1, state: 'superseded' },
    ]);
    await agent.report(taken, { outcome: 'completed' });
  });

  it('are not lost when the next attempt begins', async () => {
    const { rootId, taken, id } = await started();
    expectStatus(await update(id, { learning_rate: 0.05 }), 200);
    await agent.report(taken, { outcome: 'failed', exitCode: 1 });
    const next = await agent.take('train');
    expect(next.spec.number).toBe(2);
    expect(await commands(next, 0)).toMatchObject([
      { action: 'update_params', update: { revision: 1, params: { learning_rate: 0.05 } } },
    ]);
    await agent.report(next, 'started');
    await answer(next, { revision: 1, accepted: { learning_rate: 0.05 } });
    await agent.report(next, { outcome: 'completed' });
    await t.treeWhen(rootId, ({ endedAt }) => endedAt !== null);
    const shown = await read<{ updates: JobParamUpdate[] }>(id, 'params');
    expect(shown.updates).toMatchObject([{ state: 'answered', accepted: { learning_rate: 0.05 } }]);
    const late = await update(id, { learning_rate: 0.5 });
    expect([late.status, late.body.code]).toEqual([409, 'INVALID_STATUS']);
  });

  it('are asked for and answered by a program that has its token', async () => {
    const { taken, id } = await started('default', ', jobToken: true');
    const minted = await t.call<{ token: string }>(
      'POST',
      `/api/v1/attempts/${taken.spec.attemptId}/job-token`,
      {},
      { token: taken.token },
    );
    const { token } = minted.body;
    const path = `/api/training/local/${id}/params`;
    expect((await t.call('GET', path, undefined, { token })).body).toMatchObject({ revision: 0, params: {} });
    await update(id, { gradient_accumulation_steps: 8 });
    expect((await t.call('GET', path, undefined, { token })).body).toMatchObject({
      revision: 1,
      params: { gradient_accumulation_steps: 8 },
    });
    expect((await t.call('POST', path, { revision: 2 }, { token })).status).toBe(400);
    expect(
      (await t.call('POST', path, { revision: 1, accepted: { gradient_accumulation_steps: 8 } })).status,
    ).toBe(401);
    const accepted = { gradient_accumulation_steps: 8 };
    expectStatus(await t.call('POST', path, { revision: 1, accepted }, { token }), 200);
    expect(await read(id, 'params')).toMatchObject({ updates: [{ state: 'answered', accepted }] });
    await agent.report(taken, { outcome: 'completed' });
  });

  it('reach a worker that pulls with each heartbeat until it answers', async () => {
    const rootId = await t.submit(pipeline('pull'));
    const { id } = (await t.tree(rootId)).children[0]!;
    const token = await pullJob(t.call, id, 'agent_up');
    expectStatus(
      await t.call('PATCH', `/api/training/local/${id}/status`, { status: 'running' }, { token }),
      200,
    );
    const beat = async () =>
      (await t.call<{ pending_commands: object[] }>('POST', '/api/workers/agent_up/heartbeat', {})).body
        .pending_commands;
    expect(await beat()).toEqual([]);
    await update(id, { batch_size: 16 });
    const command = { command: 'update_params', job_id: id, revision: 1, params: { batch_size: 16 } };
    expect(await beat()).toEqual([command]);
    expect(await beat()).toEqual([command]);
    const given = { revision: 1, rejected: { batch_size: 'fixed' } };
    expectStatus(await t.call('POST', `/api/training/local/${id}/params`, given, { token }), 200);
    expect(await beat()).toEqual([]);
    expect(await read(id, 'status')).toMatchObject({
      param_updates: [{ state: 'answered', rejected: given.rejected }],
    });
  });

  it('are refused with what is wrong, and nothing is stored', async () => {
    const { taken, id } = await started();
    for (const [body, word] of [
      [{}, 'at least one of'],
      [{ learning_rate: 0 }, 'learning_rate'],
      [{ learning_rate: 'fast' }, 'learning_rate'],
      [{ batch_size: 1.5 }, 'batch_size'],
      [{ warmup_steps: -1 }, 'warmup_steps'],
      [{ epochs: 3 }, 'epochs'],
    ] as const) {
      const refused = await update(id, body);
      expect([refused.status, refused.body.code], JSON.stringify(body)).toEqual([400, 'INVALID_REQUEST']);
      expect(refused.body.error).toContain(word);
    }
    expect((await update('run_none', { batch_size: 1 })).status).toBe(404);
    expect(await read(id, 'params')).toMatchObject({ revision: 0, updates: [] });
    await agent.report(taken, { outcome: 'completed' });
  });
});
