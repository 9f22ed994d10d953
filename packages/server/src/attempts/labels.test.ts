import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { startTestServer, type TestServer } from '../testing/test-server.ts';

const PIPELINE = `
name: labelled
stages:
  - { name: anywhere, job: { command: work } }
  - { name: fast, job: { command: work, labels: { gpu: a100, room: '2' } } }
`;

let t: TestServer;
afterEach(() => t.end());

describeDatabases('labels', (engine) => {
  beforeEach(async () => {
    t = await startTestServer(engine);
  });

  it('keep a job from agents that have not all of them', async () => {
    await t.submit(PIPELINE);
    const plain = await t.agent({ labels: { gpu: 'a100' } });
    const first = (await plain.claim()).body.assignments;
    expect(first.map(({ spec }) => spec.stage)).toEqual(['anywhere']);
    expect((await plain.claim()).body.assignments).toEqual([]);
    const fitting = await t.agent({ labels: { gpu: 'a100', room: '2', rack: '7' } });
    expect((await fitting.claim()).body.assignments.map(({ spec }) => spec.stage)).toEqual(['fast']);
  });

  it('hold as well where pools are in play', async () => {
    await t.call('PUT', '/api/v1/pools/licence', { slots: 5 });
    await t.submit(`
name: pooled
stages:
  - { name: fast, pools: [licence], job: { command: work, labels: { gpu: a100 } } }
  - { name: slow, pools: [licence], job: { command: work } }`);
    const plain = await t.agent();
    expect((await plain.claim()).body.assignments.map(({ spec }) => spec.stage)).toEqual(['slow']);
    const fitting = await t.agent({ labels: { gpu: 'a100' } });
    expect((await fitting.claim()).body.assignments.map(({ spec }) => spec.stage)).toEqual(['fast']);
  });

  it('come beside the queues that a call may be limited to', async () => {
    await t.submit('name: q\nstages: [{ name: s, job: { command: work, queue: short } }]');
    const agent = await t.agent({ queues: ['long', 'short'] });
    expect((await agent.claim({ queues: ['long'] })).body.assignments).toEqual([]);
    expect((await agent.claim({ queues: ['other'] })).body.assignments).toEqual([]);
    expect((await agent.claim({ queues: ['short'] })).body.assignments).toHaveLength(1);
  });
});
