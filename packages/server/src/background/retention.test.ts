import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Assignment, ErrorBody, ShownServerConfig } from '@trainyard/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { startTestServer, type TestServer } from '../testing/test-server.ts';
import { Retention } from './retention.ts';

const DAY_MS = 86_400_000;
const SOURCE = 'name: kept\nstages:\n  - { name: train, job: { command: x } }\n';
const KEEP_ALL = { maxAge: undefined, maxSize: undefined };

describeDatabases('retention of logs', (engine) => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer(engine);
  });
  afterAll(() => t.end());

  /** A run that ended some days ago, with such a log. */
  async function ended(daysAgo: number, log: string): Promise<{ id: string; runId: string }> {
    const agent = await t.agent();
    const id = await t.submit(SOURCE);
    const assigned = await agent.take('train');
    await agent.append(assigned, 'log', 0, log);
    await agent.append(assigned, 'metrics', 0, '{"step":1,"loss":0.5}\n');
    await agent.report(assigned, { outcome: 'completed' });
    const tree = await t.treeWhen(id, ({ endedAt }) => endedAt !== null);
    await sql`update trees set ended_at = now() - make_interval(days => ${daysAgo}::int) where root_id = ${id}`.execute(
      t.server.database.kysely,
    );
    return { id, runId: tree.children[0]!.id };
  }

  const round = (logs: { maxAge: number | undefined; maxSize: number | undefined }, metricsAge?: number) =>
    new Retention(t.server.database.pool, { logs, metricFiles: { maxAge: metricsAge } }).round(Date.now());
  const log = ({ runId }: { runId: string }) => t.call('GET', `/api/v1/runs/${runId}/log`);
  const chunks = async (stream: string) =>
    (
      await sql<{ n: number }>`select count(*)::int as n from stream_chunks where stream = ${stream}`.execute(
        t.server.database.kysely,
      )
    ).rows[0]!.n;

  it('by age removes those of older runs, and tells every reader when and why', async () => {
    const [old, young] = [await ended(40, 'old log\n'), await ended(20, 'young log\n')];
    await round({ maxAge: 30 * DAY_MS, maxSize: undefined });
    expect((await log(young)).text).toBe('young log\n');
    for (const path of ['log', 'log/lines', 'log/download?format=raw', 'log/download']) {
      const answer = await t.call<ErrorBody>('GET', `/api/v1/runs/${old.runId}/${path}`);
      expect(answer.status).toBe(410);
      expect(answer.body.error.code).toBe('LOG_REMOVED');
      expect(answer.body.error.message).toMatch(
        /\(8 bytes\) was removed on \d{4}-\d\d-\d\d: the run had ended/,
      );
    }
    const older = await t.call<ErrorBody>('GET', `/api/training/local/${old.runId}/logs`);
    expect(older.status).toBe(410);
    expect((await t.call('GET', `/api/v1/runs/${old.runId}/metrics`)).status).toBe(200);
    expect(await chunks('log')).toBe(1);
  });

  it('leaves runs alone that are kept, until they are no more', async () => {
    const old = await ended(40, 'kept log\n');
    const keep = (kept: boolean) => t.call('PUT', `/api/v1/runs/${old.id}/kept`, { kept });
    expect((await keep(true)).body).toEqual({ id: old.id, kept: true });
    await round({ maxAge: 30 * DAY_MS, maxSize: 1 });
    expect((await log(old)).text).toBe('kept log\n');
    await keep(false);
    await round({ maxAge: 30 * DAY_MS, maxSize: undefined });
    expect((await log(old)).status).toBe(410);
    const stage = await t.call<ErrorBody>('PUT', `/api/v1/runs/${old.runId}/kept`, { kept: true });
    expect([stage.status, stage.body.error.code]).toEqual([409, 'CONFLICT']);
  });

  it('by size removes the oldest until the rest fits, and none of a run that goes on', async () => {
    const all = [
      await ended(9, 'a'.repeat(600)),
      await ended(8, 'b'.repeat(600)),
      await ended(7, 'c'.repeat(600)),
    ];
    const agent = await t.agent();
    const going = await t.submit(SOURCE);
    const assigned = await agent.take('train');
    await agent.append(assigned, 'log', 0, 'd'.repeat(600));
    await round({ maxAge: undefined, maxSize: 1300 });
    const statuses = [];
    for (const each of all) statuses.push((await log(each)).status);
    expect(statuses).toEqual([410, 410, 200]);
    const running = (await t.tree(going)).children[0]!.id;
    expect((await t.call('GET', `/api/v1/runs/${running}/log`)).text).toHaveLength(600);
    await agent.report(assigned, { outcome: 'completed' });
  });

  it('removes what metrics were written as, and keeps their points', async () => {
    const old = await ended(40, 'log\n');
    await round(KEEP_ALL, 30 * DAY_MS);
    const points = await t.call<Record<string, unknown[]>>('GET', `/api/v1/runs/${old.runId}/metrics`);
    expect(points.body['loss']).toHaveLength(1);
    expect((await log(old)).text).toBe('log\n');
    expect(await chunks('metrics')).toBeLessThan(8);
  });

  it('does a bounded part at a time, and goes on where it was', async () => {
    const old = await ended(400, 'x');
    await sql`insert into stream_chunks (attempt_id, stream, "offset", bytes, received_at)
      select c.attempt_id, c.stream, n, '\\x61', now() from stream_chunks c
      join attempts a on a.id = c.attempt_id, generate_series(1, 21000) n
      where a.run_id = ${old.runId} and c.stream = 'log'`.execute(t.server.database.kysely);
    const left = async () =>
      (
        await sql<{
          n: number;
        }>`select count(*)::int as n from stream_chunks c join attempts a on a.id = c.attempt_id
          where a.run_id = ${old.runId} and c.stream = 'log'`.execute(t.server.database.kysely)
      ).rows[0]!.n;
    await round({ maxAge: 300 * DAY_MS, maxSize: undefined });
    expect(await left()).toBe(1001);
    expect((await log(old)).status).toBe(410);
    await round({ maxAge: 300 * DAY_MS, maxSize: undefined });
    expect(await left()).toBe(0);
  });

  it('tells an agent which of its attempts nobody needs any more', async () => {
    const agent = await t.agent();
    const take = async (outputs: (attemptId: string) => Record<string, unknown>) => {
      const id = await t.submit(SOURCE);
      const assigned = await agent.take('train');
      await agent.report(assigned, { outcome: 'completed', outputs: outputs(assigned.spec.attemptId) });
      await t.treeWhen(id, ({ endedAt }) => endedAt !== null);
      return { id, attemptId: assigned.spec.attemptId };
    };
    const plain = await take(() => ({ accuracy: 1 }));
    const withArtifact = await take((id) => ({ model: { path: `/data/attempts/${id}/model.pt` } }));
    const kept = await take(() => ({}));
    await t.call('PUT', `/api/v1/runs/${kept.id}/kept`, { kept: true });
    const deleted = await take(() => ({}));
    await t.call('DELETE', `/api/v1/runs/${deleted.id}`);
    await t.submit(SOURCE);
    const running = await agent.take('train');
    const attemptIds = [plain, withArtifact, kept, deleted, running.spec].map((each) => each.attemptId);
    const ask = (agentId: string) =>
      t.call('POST', `/api/v1/agents/${agentId}/removable`, { attemptIds: [...attemptIds, 'att_unknown'] });
    expect((await ask(agent.id)).body).toEqual({
      items: [
        { attemptId: plain.attemptId, because: 'ended' },
        { attemptId: deleted.attemptId, because: 'deleted' },
      ],
    });
    expect((await ask((await t.agent()).id)).body).toEqual({ items: [] });
    await agent.report(running, { outcome: 'completed' });
  });
});

describeDatabases('the configuration file of a server', (engine) => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'trainyard-config-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  /** The patterns of a job that another worker has claimed and gives to an agent. */
  async function handedOver(t: TestServer, agentId: string): Promise<unknown> {
    const { children } = await t.tree(await t.submit(SOURCE));
    const job = children[0]!.id;
    await t.call('POST', '/api/workers/register', { agent_id: 'agent_worker', queues: ['default'] });
    const headers = { 'x-agent-id': 'agent_worker' };
    const claim = await t.call<{ job_token: string }>(
      'POST',
      `/api/training/agent/claim/${job}`,
      {},
      { headers },
    );
    const { body } = await t.call<{ assignment: Assignment }>(
      'POST',
      `/api/training/local/${job}/handover`,
      { agent_id: agentId, config: {} },
      { token: claim.body.job_token },
    );
    return body.assignment.spec.failures;
  }

  it('gives log patterns to every attempt after its own, and is shown', async () => {
    const configFile = join(dir, 'config.yaml');
    const own = '- { pattern: licence expired, class: preempted, label: licence }';
    writeFileSync(
      configFile,
      `failures:\n  ${own}\nretention:\n  logs: { maxAge: 90d, maxSize: 20G }\n  metricFiles: { maxAge: 7d }\n`,
    );
    const t = await startTestServer(engine, { configFile });
    try {
      const shown = (await t.call<ShownServerConfig>('GET', '/api/v1/config')).body;
      expect(shown.failures.own).toMatchObject([{ class: 'preempted', label: 'licence', noRetry: false }]);
      expect(shown.failures.shipped.length).toBeGreaterThan(0);
      expect(shown.retention).toEqual({
        logs: { maxAgeMs: 90 * DAY_MS, maxBytes: 20 * 1024 ** 3 },
        metricFiles: { maxAgeMs: 7 * DAY_MS },
        artifacts: { maxAgeMs: null, maxVersions: null },
      });
      const agent = await t.agent();
      await t.submit(
        `${SOURCE}    failures: [{ pattern: of the stage }]\n`.replace(
          '{ name: train, job: { command: x } }',
          'name: train\n    job: { command: x }',
        ),
      );
      const { spec } = await agent.take('train');
      expect(spec.failures?.map(({ pattern }) => pattern)).toEqual(['of the stage', 'licence expired']);
      expect(await handedOver(t, agent.id)).toMatchObject([{ pattern: 'licence expired' }]);
    } finally {
      await t.end();
    }
  });

  it.each([
    ['failures: [{ pattern: "(" }]', 'failures.0.pattern'],
    ['retention: { logs: { maxAge: soon } }', '"soon" is not a duration'],
    ['retention: { logs: { maxSize: much } }', '"much" is not a size'],
    ['logs: 3', 'has unknown key "logs"'],
    ['a: [', 'line 1'],
  ])('is refused at the start with the place of what is wrong: %s', async (text, said) => {
    const configFile = join(dir, 'wrong.yaml');
    writeFileSync(configFile, text);
    await expect(startTestServer(engine, { configFile })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(said),
    });
    await expect(startTestServer(engine, { configFile: `${configFile}.none` })).rejects.toMatchObject({
      code: 'USAGE',
    });
  });
});
