import { afterEach, expect, it } from 'vitest';
import { startServer } from '../start-server.ts';
import { describeDatabases } from '../testing/index.ts';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

const job = { command: 'true' };

/** A definition with so many levels of pipelines, the outermost included. */
function deep(levels: number): object {
  let stages: object[] = [{ name: 'leaf', job }];
  for (let level = 1; level < levels; level += 1) stages = [{ name: 'inner', pipeline: { stages } }];
  return { name: 'deep', stages };
}

/** The same as a task graph of the older server, with a depth that its user claims to have. */
function olderDeep(levels: number): object {
  let tasks: object[] = [{ id: 'leaf', exec_type: 'Shell', exec_command: 'true' }];
  for (let level = 1; level < levels; level += 1) {
    const inner = { tasks };
    tasks = [{ id: 'inner', exec_type: 'Dag', exec_params: { depth: 0, dag_json: inner } }];
  }
  return { tasks };
}

describeDatabases('the limit of pipeline levels', (engine) => {
  let t: TestServer;
  afterEach(() => t.end());

  const faultsOf = async (definition: object): Promise<string[]> => {
    const { status, body } = await t.call('POST', '/api/v1/runs', { definition });
    if (status === 201) return [];
    const { faults } = body.error.details as { faults: { message: string }[] };
    return faults.map(({ message }) => message);
  };

  it('is that of the server: what has one level more is refused and leaves no trace', async () => {
    t = await startTestServer(engine, { maxDepth: 2 });
    expect(await faultsOf(deep(3))).toEqual(['DAG nesting depth exceeds limit (2)']);
    expect(await faultsOf(olderDeep(3))).toEqual(['DAG nesting depth exceeds limit (2)']);
    const template = {
      name: 'used',
      templates: { part: { stages: [{ name: 'in', pipeline: { stages: [{ name: 'leaf', job }] } }] } },
      stages: [{ name: 'a', pipeline: { use: 'part' } }],
    };
    expect((await faultsOf(template))[0]).toMatch(/^DAG nesting depth exceeds limit \(2\)/);
    const registered = await t.call('PUT', '/api/v1/pipelines/deep', { definition: deep(3) });
    expect(registered.status).toBe(400);
    expect((await t.call<{ items: object[] }>('GET', '/api/v1/runs')).body.items).toEqual([]);
    expect(await faultsOf(deep(2))).toEqual([]);
  });

  it('may be 30, and runs that are deeper than the limit of the next start go on', async () => {
    t = await startTestServer(engine, { maxDepth: 30 });
    expect(await faultsOf(deep(31))).toEqual(['DAG nesting depth exceeds limit (30)']);
    const { body } = await t.call<{ id: string }>('POST', '/api/v1/runs', { definition: deep(30) });
    await t.server.stop();
    const next = await t.peer();
    const agent = await next.agent();
    const assigned = await agent.take();
    await agent.report(assigned, 'started');
    await agent.report(assigned, { outcome: 'completed' });
    const tree = await next.treeWhen(body.id, ({ endedAt }) => endedAt !== null);
    expect(tree.status).toBe('completed');
    expect((await next.call('POST', '/api/v1/runs', { definition: deep(11) })).status).toBe(400);
  });
});

it('refuses to start with a limit that cannot be meant', async () => {
  for (const maxDepth of [0, 31, 2.5, Number.NaN]) {
    await expect(startServer({ dataDir: '/nowhere', maxDepth })).rejects.toMatchObject({ code: 'USAGE' });
  }
});
