import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScriptedAgent } from '../../testing/scripted-agent.ts';
import { expectStatus, startTestServer, type TestServer } from '../../testing/test-server.ts';

interface Pipeline {
  uuid: string;
  status: string;
  root_task_id: string;
  error_message: string | null;
}
interface Stage {
  task_id: string;
  stage_name: string;
  status: string;
  result: unknown;
}

const stage = (name: string, depends_on: string[] = []) => ({
  name,
  task: 'job',
  params: { command: 'x' },
  depends_on,
});

describe('the older routes of pipelines and tasks', () => {
  let t: TestServer;
  let agent: ScriptedAgent;
  beforeAll(async () => {
    t = await startTestServer();
    agent = await t.agent();
  });
  afterAll(() => t.end());

  const at = '/api/older/v1';
  const post = <T = Pipeline>(path: string, body?: object) => t.call<T>('POST', `${at}/${path}`, body);
  const create = async () =>
    expectStatus(
      await post('pipelines', {
        ...{ name: 'older', description: 'As before', priority: 7 },
        stages: [{ ...stage('a'), max_retries: 1, retry_delay: 2.5 }, stage('b', ['a'])],
      }),
      201,
    ).uuid;
  const stages = async (id: string) =>
    expectStatus(
      await t.call<{ pipeline: Pipeline; stages: Stage[] }>('GET', `${at}/pipelines/${id}/status`),
      200,
    );

  it('make a pipeline, start it once and from pending only, and show its stages to the end', async () => {
    const id = await create();
    expect(await stages(id)).toMatchObject({
      pipeline: { status: 'pending', root_task_id: null, description: 'As before', priority: 7 },
      layers: 2,
      stages: [
        {
          task_id: null,
          pipeline_uuid: id,
          stage_name: 'a',
          status: 'pending',
          task_params: { command: 'x' },
        },
        { stage_name: 'b', depends_on: ['a'] },
      ],
    });
    const early = await t.call<{ error: { message: string } }>('DELETE', `${at}/pipelines/${id}`);
    expect(early.status).toBe(409);
    expect(early.body.error.message).toContain('is pending; it cannot be deleted');
    const [first, second] = await Promise.all([post(`pipelines/${id}/start`), post(`pipelines/${id}/start`)]);
    expect([first.status, second.status].sort()).toEqual([200, 409]);
    expect([first, second].find(({ status }) => status === 200)!.body).toMatchObject({ layers: 2 });
    expect((await t.call('DELETE', `${at}/pipelines/${id}`)).status).toBe(409);
    const a = await agent.take('a');
    await agent.report(a, { outcome: 'completed', outputs: { rows: 7 } });
    await agent.report(await agent.take('b'), { outcome: 'completed' });
    const { rootId } = a.spec;
    await t.treeWhen(rootId, ({ endedAt }) => endedAt !== null);
    expect(await stages(id)).toMatchObject({
      pipeline: { status: 'completed', root_task_id: rootId },
      stages: [
        {
          ...{ stage_name: 'a', status: 'completed', result: { rows: 7 }, depends_on: [], retry_count: 0 },
          ...{ pipeline_uuid: id, worker_task_id: a.spec.attemptId, task_name: 'job' },
          ...{ task_params: { command: 'x' }, max_retries: 1, retry_delay: 2.5 },
        },
        { stage_name: 'b', status: 'completed', depends_on: ['a'] },
      ],
    });
    expect((await post(`pipelines/${id}/start`)).status).toBe(409);
    expect((await post(`pipelines/${id}/cancel`)).status).toBe(409);
    const list = async (query: string) =>
      (await t.call<{ items: Pipeline[] }>('GET', `${at}/pipelines?${query}`)).body.items.map(
        ({ uuid }) => uuid,
      );
    expect(await list('status=completed')).toEqual([id]);
    expect(await list('status=failed')).toEqual([]);
    expect(await list('offset=1')).toEqual([]);
    expect((await t.call('DELETE', `${at}/pipelines/${id}`)).status).toBe(204);
    expect((await t.call('GET', `${at}/pipelines/${id}`)).status).toBe(404);
  });

  it('cancel what runs and retry what failed, and tell tasks and their results', async () => {
    const id = await create();
    await post(`pipelines/${id}/start`);
    const a = await agent.take('a');
    await agent.report(a, {
      outcome: 'failed',
      exitCode: 3,
      error: { code: 'exit_code', message: 'exit code 3' },
    });
    expect((await post(`pipelines/${id}/cancel`)).status).toBe(202);
    await t.treeWhen(a.spec.rootId, ({ endedAt }) => endedAt !== null);
    expect((await stages(id)).pipeline.status).toMatch(/cancelled|failed/);
    const retried = expectStatus(
      await post<{ pipeline_run_id: string }>(`tasks/${a.spec.runId}/retry`),
      201,
    ).pipeline_run_id;
    await agent.report(await agent.take('a'), { outcome: 'completed', outputs: { rows: 1 } });
    const again = await agent.take('b');
    const task = again.spec.runId;
    const result = () => t.call<Stage>('GET', `${at}/tasks/${task}/result`);
    expect((await post<Stage>(`tasks/${task}/cancel`)).status).toBe(202);
    await t.treeWhen(retried, ({ children }) => children[1]!.status === 'cancelling');
    await agent.report(again, { outcome: 'cancelled', exitCode: null });
    await t.treeWhen(retried, ({ endedAt }) => endedAt !== null);
    expect((await result()).body).toEqual({ task_id: task, status: 'skipped', result: null });
    expect((await post(`tasks/${task}/cancel`)).status).toBe(409);
    const tasks = await t.call<{ items: Stage[] }>('GET', `${at}/tasks?status=completed&limit=1`);
    expect(tasks.body.items).toMatchObject([{ stage_name: 'a', result: { rows: 1 } }]);
    const stats = await t.call<{ tasks: Record<string, number>; total: number }>(
      'GET',
      `${at}/tasks/stats/overview`,
    );
    expect(stats.body.tasks['completed']).toBe(1);
    expect(
      Object.keys(stats.body.tasks).filter(
        (word) => !/^(pending|running|completed|failed|skipped)$/.test(word),
      ),
    ).toEqual([]);
    expect(stats.body.tasks['skipped']).toBeGreaterThan(0);
    expect((await t.call('GET', `${at}/tasks/run_none`)).status).toBe(404);
  });

  it('purge what waits, and refuse a stage list with faults without a trace', async () => {
    const ids = [await create(), await create()];
    for (const id of ids) await post(`pipelines/${id}/start`);
    expect(expectStatus(await post<{ purged: number }>('tasks/purge'), 200).purged).toBe(2);
    for (const id of ids) {
      const { root_task_id: root } = (await stages(id)).pipeline;
      await t.treeWhen(root, ({ endedAt }) => endedAt !== null);
    }
    const before = (await t.call<{ items: object[] }>('GET', `${at}/pipelines`)).body.items.length;
    const faulty = await t.call('POST', `${at}/pipelines`, { name: 'x', stages: [stage('a', ['missing'])] });
    expect([faulty.status, faulty.body.error.code]).toEqual([400, 'INVALID_DEFINITION']);
    expect((await t.call<{ items: object[] }>('GET', `${at}/pipelines`)).body.items.length).toBe(before);
  });
});
