import type { RefusedLines, RunEvent } from '@trainyard/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { eventually, expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';

const PIPELINE = `
name: learn
stages:
  - { name: train, job: { command: work } }
`;

describeDatabases('lines of metrics that cannot be read', (engine) => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer(engine);
  });
  afterAll(() => t.end());

  const refused = async (run: string): Promise<RefusedLines[]> => {
    const answer = await t.call<{ items: RefusedLines[] }>('GET', `/api/v1/runs/${run}/metrics/refused`);
    return expectStatus(answer, 200).items;
  };
  const told = async (run: string, type: string): Promise<RunEvent['data'][]> => {
    const { body } = await t.call<{ items: RunEvent[] }>('GET', `/api/v1/runs/${run}/events?limit=500`);
    return body.items.filter((event) => event.type === type).map(({ data }) => data);
  };

  it('are counted, the first with number and reason, and all of them once the attempt has ended', async () => {
    const root = await t.submit(PIPELINE);
    const agent = await t.agent();
    const job = await agent.take();
    await agent.report(job, 'started');
    const good = (step: number): string => `{"step":${step},"loss":1}\n`;
    const first = `${good(0)}nonsense\n\n${good(1)}{"step":-1}\n{"st`;
    await agent.append(job, 'metrics', 0, first);
    const bad = `ep":"${'x'.repeat(1000)}"}\n${'nonsense\n'.repeat(20)}`;
    await agent.append(job, 'metrics', first.length, bad);
    const [found, ...others] = await refused(root);
    expect(others).toEqual([]);
    expect(found).toMatchObject({
      runId: job.spec.runId,
      path: 'train',
      attempt: 1,
      stream: 'metrics',
      lines: 23,
    });
    expect(found!.first.map(({ line }) => line)).toEqual([2, 5, 6, 7, 8]);
    expect(found!.first[1]).toEqual({
      line: 5,
      offset: first.indexOf('{"step":-1}'),
      problem: '"step" must be an integer >= 0, found -1',
    });
    expect(found!.first[2]!.problem.length).toBeLessThan(400);
    expect(await refused(job.spec.runId)).toEqual([found]);

    const problems = await eventually(async () => {
      const events = await told(root, 'metrics.problem');
      return events.length >= 5 ? events : undefined;
    });
    expect(problems.map((data) => data['line'])).toEqual([2, 5, 6, 7, 8]);

    // Half a line, which counts as one now that it stays so.
    await agent.append(job, 'metrics', first.length + bad.length, '{"step":2,');
    expect((await refused(root))[0]!.lines).toBe(23);
    await agent.report(job, { outcome: 'completed' });
    await t.treeWhen(root, ({ status }) => status === 'completed');
    await eventually(async () => ((await refused(root))[0]!.lines === 24 ? true : undefined));
    expect((await refused(root))[0]!.first).toHaveLength(5);
  });

  it('are none where all could be read', async () => {
    expect(await refused(await t.submit(PIPELINE))).toEqual([]);
  });
});
