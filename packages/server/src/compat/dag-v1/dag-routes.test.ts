import type { OlderDagEvent } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer } from '../../testing/test-server.ts';

const leaf = (id: string, deps: string[] = []) => ({ id, deps, exec_type: 'Shell', exec_command: 'true' });

const NESTED = {
  config: { name: 'nested', fail_policy: 'SkipDownstream', max_parallel: 4 },
  tasks: [
    leaf('fetch'),
    {
      id: 'clean',
      deps: ['fetch'],
      exec_type: 'Dag',
      exec_params: { tasks: [leaf('fetch'), leaf('dedupe', ['fetch'])] },
    },
    leaf('publish', ['clean']),
  ],
};

interface Summary {
  ok: boolean;
  run_id: string;
  status: string;
  message: string;
  nodes: { task_id: string; status: string }[];
  summary: { total: number; success: string[]; failed: string[]; skipped: string[] };
}

describe('the routes of the older DAG server', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());

  /** Runs what comes until the answer is there; `fails` are paths whose leaf fails. */
  async function work<T>(answer: Promise<T>, fails: readonly string[] = []): Promise<T> {
    const agent = await t.agent();
    let isOver = false;
    void answer.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      const { body } = await agent.claim({ waitMs: 100 });
      for (const assigned of body.assignments) {
        await agent.report(assigned, 'started');
        await agent.append(assigned, 'log', 0, `${assigned.spec.stage}\nsecond line\n`);
        const failed = fails.includes(assigned.spec.stage);
        await agent.report(assigned, failed ? { outcome: 'failed', exitCode: 3 } : { outcome: 'completed' });
      }
    }
    return answer;
  }

  it('run a DAG and answer with every node and a summary when it has ended', async () => {
    const { status, body } = await work(t.call<Summary>('POST', '/api/dag/run', NESTED));
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ok: true,
      status: 'success',
      layers: 3,
      summary: { total: 3, success: ['fetch', 'clean', 'publish'], failed: [], skipped: [] },
    });
    expect(body.nodes.map(({ task_id, status: of }) => [task_id, of])).toEqual(
      ['fetch', 'clean', 'clean/fetch', 'clean/dedupe', 'publish'].map((path) => [path, 'success']),
    );
  });

  it('carry an inner failure outward, and skip what depends on it', async () => {
    const { body } = await work(t.call<Summary>('POST', '/api/dag/run', NESTED), ['clean/fetch']);
    expect(body).toMatchObject({
      ok: false,
      status: 'failed',
      summary: { success: ['fetch'], failed: ['clean'], skipped: ['publish'] },
    });
    expect(body.message).toContain('clean/fetch');
    expect(body.nodes).toMatchObject([
      { task_id: 'fetch', exit_code: 0, max_attempts: 1, child_run_id: null },
      { task_id: 'clean', exit_code: null, child_run_id: expect.stringMatching(/^run_/) },
      { task_id: 'clean/fetch', exit_code: 3 },
      { task_id: 'clean/dedupe', exit_code: null },
      { task_id: 'publish', exit_code: null },
    ]);
  });

  it('start a DAG without waiting, list it, and tell its nodes', async () => {
    const started = await t.call<{ run_id: string; task_ids: Record<string, string> }>(
      'POST',
      '/api/dag/run_async',
      NESTED,
    );
    expect(Object.keys(started.body.task_ids)).toEqual([
      'fetch',
      'clean',
      'clean/fetch',
      'clean/dedupe',
      'publish',
    ]);
    const { run_id } = started.body;
    await work(t.treeWhen(run_id, ({ endedAt }) => endedAt !== null));
    const list = await t.call<{ runs: object[] }>('GET', '/api/dag/runs?status=success&limit=1');
    expect(list.body.runs).toMatchObject([
      { run_id, name: 'nested', status: 'success', total: 3, success: 3 },
    ]);
    const page = await t.call<{ task_runs: { task_id: string }[]; next_from: number }>(
      'GET',
      `/api/dag/task_runs?run_id=${run_id}&limit=2&from=2`,
    );
    expect(page.body.task_runs.map(({ task_id }) => task_id)).toEqual(['clean', 'clean/fetch']);
    expect(page.body.next_from).toBe(4);
  });

  it('name events as the older server did: ready, start and end once per node, in this order', async () => {
    const { body } = await work(t.call<Summary>('POST', '/api/dag/run', NESTED), ['publish']);
    const events: OlderDagEvent[] = [];
    for (let after = 0; ; ) {
      const page = await t.call<{ events: OlderDagEvent[]; next_after: number }>(
        'GET',
        `/api/dag/events?run_id=${body.run_id}&after=${after}&limit=5`,
      );
      if (page.body.next_after === after) break;
      events.push(...page.body.events);
      after = page.body.next_after;
    }
    const of = (path: string) => events.filter(({ task_id }) => task_id === path).map(({ event }) => event);
    expect(of('clean')).toEqual(['dag_node_ready', 'dag_node_start', 'dag_node_end']);
    expect(of('publish')).toEqual([
      'dag_node_ready',
      'task_start',
      'dag_node_start',
      'attempt_start',
      'attempt_end',
      'task_end',
      'dag_node_end',
    ]);
    expect(
      events.find(({ event, task_id }) => event === 'dag_node_ready' && task_id === 'publish'),
    ).toMatchObject({
      indegree: 1,
      parent: '',
    });
    expect(events.findLast(({ event }) => event === 'task_end')).toMatchObject({
      task_id: 'publish',
      status: 'failed',
      exit_code: 3,
    });
  });

  it('tell, cancel and show the log of one task', async () => {
    const { body } = await t.call<{ run_id: string; task_ids: Record<string, string> }>(
      'POST',
      '/api/dag/run_async',
      NESTED,
    );
    const { fetch, publish } = body.task_ids;
    const cancelled = await t.call<{ ok: boolean }>('POST', '/api/tasks/cancel', { id: publish });
    expect(cancelled.body).toEqual({ ok: true });
    await work(t.treeWhen(body.run_id, ({ endedAt }) => endedAt !== null));
    expect((await t.call('GET', `/api/tasks/get?id=${publish}`)).body).toMatchObject({ status: 'canceled' });
    expect((await t.call('POST', '/api/tasks/cancel', { id: publish })).body).toEqual({ ok: false });
    type Logs = { logs: { seq: number; message: string }[]; next_from: number };
    const first = (await t.call<Logs>('GET', `/api/tasks/logs?id=${fetch}&limit=1`)).body;
    expect(first.logs).toMatchObject([{ seq: 1, message: 'fetch' }]);
    const second = (await t.call<Logs>('GET', `/api/tasks/logs?id=${fetch}&from=${first.next_from}`)).body;
    expect(second.logs).toMatchObject([{ message: 'second line' }]);
  });

  it('number the lines of a task from 1, those of all its attempts', async () => {
    const started = await t.call<{ run_id: string; task_ids: Record<string, string> }>(
      'POST',
      '/api/dag/run_async',
      { tasks: [{ ...leaf('flaky'), retry_count: 1, retry_delay_ms: 0 }] },
    );
    const agent = await t.agent();
    const id = started.body.task_ids['flaky'];
    for (const [outcome, text] of [
      ['failed', 'one\ntwo\nno end'],
      ['completed', 'four\nfive\n'],
    ] as const) {
      let [assigned] = (await agent.claim({ waitMs: 5000 })).body.assignments;
      while (assigned === undefined) [assigned] = (await agent.claim({ waitMs: 5000 })).body.assignments;
      await agent.report(assigned, 'started');
      await agent.append(assigned, 'log', 0, text);
      await agent.report(assigned, { outcome });
    }
    await t.treeWhen(started.body.run_id, ({ endedAt }) => endedAt !== null);
    expect((await t.call('GET', `/api/tasks/get?id=${id}`)).body).toMatchObject({
      attempt: 2,
      max_attempts: 2,
    });
    type Line = { seq: number; attempt: number; message: string };
    const seen: unknown[] = [];
    for (let from = 1; ; ) {
      const { logs } = (
        await t.call<{ logs: Line[] }>('GET', `/api/tasks/logs?id=${id}&from=${from}&limit=2`)
      ).body;
      if (logs.length === 0) break;
      seen.push(...logs.map(({ seq, attempt, message }) => [seq, attempt, message]));
      // As older clients go on.
      from = logs.at(-1)!.seq + 1;
    }
    expect(seen).toEqual([
      [1, 1, 'one'],
      [2, 1, 'two'],
      [3, 1, 'no end'],
      [4, 2, 'four'],
      [5, 2, 'five'],
    ]);
  });

  it('refuse what is wrong with its place, and store nothing', async () => {
    const before = (await t.call<{ runs: object[] }>('GET', '/api/dag/runs')).body.runs.length;
    const twice = { tasks: [leaf('a'), leaf('a')] };
    const refused = await t.call('POST', '/api/dag/run', twice);
    expect([refused.status, refused.body.error.code]).toEqual([400, 'INVALID_DEFINITION']);
    expect(refused.body.error.message).toContain('"a"');
    const unknown = await t.call('POST', '/api/dag/run', { tasks: [{ id: 'a', exec_type: 'Quantum' }] });
    expect(unknown.body.error.message).toContain('Quantum');
    expect((await t.call('GET', '/api/dag/runs?status=great')).status).toBe(400);
    expect((await t.call('GET', '/api/dag/events?run_id=run_none')).status).toBe(404);
    expect((await t.call<{ runs: object[] }>('GET', '/api/dag/runs')).body.runs.length).toBe(before);
  });
});
