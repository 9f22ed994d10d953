import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, createAgent } from './agent.ts';
import { AgentPeer, finishOf, type PeerAttempt } from './testing/agent-peer.ts';
import { eventually } from './testing/eventually.ts';
import { silentLog } from './testing/silent-log.ts';

let peer: AgentPeer;
let dir: string;
let agent: Agent;

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dir = await mkdtemp(join(tmpdir(), 'trainyard-drain-'));
  agent = createAgent({ url: peer.url, dataDir: join(dir, 'agent'), log: silentLog });
  await agent.start();
});

afterEach(async () => {
  for (const attempt of peer.attempts.values()) peer.command(attempt, 'discard');
  await eventually('end of all jobs', () => agent.held.every(({ pid }) => pid === undefined));
  await agent.stop();
  await peer.close();
  await rm(dir, { recursive: true, force: true });
});

const started = (job: PeerAttempt) =>
  eventually('start', () => job.reports.some(({ kind }) => kind === 'started'));

test('a drain that the server asks for lets the job end and takes nothing new (34)', async () => {
  const job = peer.submit({ command: 'sleep 0.7; echo done' });
  await started(job);
  peer.draining = true;
  await eventually('draining', () => peer.lastFree === 0);
  const late = peer.submit({ command: 'true' });
  await agent.drained;
  expect(finishOf(job)).toMatchObject({ outcome: 'completed' });
  expect(late.reports).toEqual([]);
});

test('a second signal ends the jobs, so that others can have them (34)', async () => {
  const job = peer.submit({ command: 'sleep 300', graceMs: 500 });
  await started(job);
  const drained = agent.drain();
  agent.preempt();
  await drained;
  expect(finishOf(job)).toMatchObject({
    outcome: 'failed',
    error: { code: 'preempted', class: 'preempted' },
    failure: { class: 'preempted' },
  });
});

test('a frozen job does not keep a drain from ending: it goes on elsewhere (34)', async () => {
  const job = peer.submit({ command: 'sleep 300', graceMs: 500 });
  await started(job);
  peer.command(job, 'pause', 'freeze');
  await eventually('paused', () => job.reports.some(({ kind }) => kind === 'paused'));
  await agent.drain();
  expect(finishOf(job)).toMatchObject({ outcome: 'failed', error: { code: 'preempted' } });
});

test('a drain does not wait for a server that is away: what ended is reported by the next agent (34)', async () => {
  const job = peer.submit({ command: 'sleep 300', graceMs: 500 });
  await started(job);
  await peer.close();
  const drained = agent.drain();
  agent.preempt();
  await drained;
  expect(agent.held).toMatchObject([{ attemptId: job.spec.attemptId }]);
  await agent.stop();
  await peer.listen();
  agent = createAgent({ url: peer.url, dataDir: join(dir, 'agent'), log: silentLog });
  await agent.start();
  expect(await eventually('report', () => finishOf(job))).toMatchObject({ error: { code: 'preempted' } });
});
