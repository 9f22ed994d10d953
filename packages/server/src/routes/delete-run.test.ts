import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

const SOURCE = `
name: gone
stages:
  - { name: each, foreach: { item: x, in: [1, 2] }, job: { command: x } }
  - { name: after, dependsOn: [each], job: { command: x } }
`;

describeDatabases('deleting a run', (engine) => {
  let t: TestServer;
  afterEach(() => t.end());

  /** Runs the pipeline to its end, with a log, metrics and a dataset. */
  async function ended(): Promise<string> {
    const agent = await t.agent();
    const id = await t.submit(SOURCE);
    for (const stage of ['each[0]', 'each[1]', 'after']) {
      const assigned = await agent.take(stage);
      await agent.append(assigned, 'log', 0, 'hello\n');
      await agent.append(assigned, 'metrics', 0, '{"step":1,"loss":0.5}\n');
      const dataset = { name: 'd', path: 'd', role: 'output', sha256: 'b'.repeat(64), sizeBytes: 1 } as const;
      await agent.report(assigned, { outcome: 'completed', datasets: [dataset] });
    }
    await t.treeWhen(id, ({ endedAt }) => endedAt !== null);
    return id;
  }

  /** How many rows each table has. */
  async function rows(): Promise<Record<string, number>> {
    const client = new pg.Client(t.place.config);
    await client.connect();
    const { rows: tables } = await client.query<{ name: string; n: number }>(
      `select table_name as name, (xpath('/row/c/text()', query_to_xml(
         format('select count(*) as c from %I.%I', table_schema, table_name), false, true, '')))[1]::text::int as n
       from information_schema.tables where table_schema = $1`,
      [t.place.schema],
    );
    await client.end();
    return Object.fromEntries(tables.map(({ name, n }) => [name, n]));
  }

  it('leaves nothing of it behind, and everything of others', async () => {
    t = await startTestServer(engine);
    const kept = await ended();
    const before = await rows();
    const id = await ended();
    expect((await t.call('DELETE', `/api/v1/runs/${id}`)).status).toBe(204);
    // An agent may learn that it can remove what it has of them.
    expect(await rows()).toMatchObject({ deleted_attempts: 3 });
    expect({ ...(await rows()), agents: 0, deleted_attempts: 0 }).toEqual({ ...before, agents: 0 });
    expect((await t.call('GET', `/api/v1/runs/${id}`)).status).toBe(404);
    expect((await t.call('DELETE', `/api/v1/runs/${id}`)).status).toBe(404);
    expect((await t.tree(kept)).children).toHaveLength(2);
  });

  it('is refused while the run goes on, and for a stage', async () => {
    t = await startTestServer(engine);
    const id = await t.submit(SOURCE);
    const going = await t.call('DELETE', `/api/v1/runs/${id}`);
    expect([going.status, going.body.error.code]).toEqual([409, 'CONFLICT']);
    expect(going.body.error.message).toContain(`trainyard runs cancel ${id}`);
    const { children } = await t.tree(id);
    const stage = await t.call('DELETE', `/api/v1/runs/${children[0]!.id}`);
    expect(stage.body.error.message).toContain(id);
    expect((await t.tree(id)).children).toHaveLength(2);
  });
});
