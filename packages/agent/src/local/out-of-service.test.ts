import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, createAgent } from '../agent.ts';
import { AgentPeer, finishOf, type PeerAttempt } from '../testing/agent-peer.ts';
import { eventually } from '../testing/eventually.ts';
import { fakeNvidiaSmi } from '../testing/fake-nvidia-smi.ts';
import { silentLog } from '../testing/silent-log.ts';
import { createCgroup } from './cgroup.ts';
import { readProcess } from './process-identity.ts';

let peer: AgentPeer;
let dir: string;
let agent: Agent;
const strangers: ChildProcess[] = [];

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dir = await mkdtemp(join(tmpdir(), 'trainyard-service-'));
});

afterEach(async () => {
  for (const stranger of strangers.splice(0)) stranger.kill('SIGKILL');
  for (const attempt of peer.attempts.values()) peer.command(attempt, 'discard');
  await eventually('end of all jobs', () => agent.held.every(({ pid }) => pid === undefined));
  await agent.stop();
  await peer.close();
  await rm(dir, { recursive: true, force: true });
});

const usersPath = () => join(dir, 'users');

async function startAgent(): Promise<void> {
  // Only what is asked for processes is answered.
  const script = `case "$1" in --query-compute-apps*) cat ${usersPath()} 2>/dev/null ;; *) exit 9 ;; esac`;
  agent = createAgent({
    ...{ url: peer.url, dataDir: join(dir, 'agent'), log: silentLog, slots: 2, gpus: ['GPU-a', 'GPU-b'] },
    env: { ...process.env, ...(await fakeNvidiaSmi(dir, script)) },
    timing: { leftLookMs: 50, telemetryMs: 0, claimWaitMs: 200 },
  });
  await agent.start();
}

const finished = (job: PeerAttempt) => eventually('finish report', () => finishOf(job));
const started = (job: PeerAttempt) => job.reports.some(({ kind }) => kind === 'started');
const gpuOf = (job: PeerAttempt) =>
  readFileSync(join(dir, 'agent', 'attempts', job.spec.attemptId, 'output.log'), 'utf8').trim();

/** A job that ends when a process, which nothing leads back to it, computes on its GPU. */
async function jobWithStranger(): Promise<{ job: PeerAttempt; stranger: ChildProcess }> {
  const job = peer.submit({
    gpus: 1,
    command: `echo $CUDA_VISIBLE_DEVICES; while [ ! -e ${usersPath()} ]; do sleep 0.05; done`,
  });
  await eventually('start', () => started(job));
  const stranger = spawn('sleep', ['300'], { stdio: 'ignore', detached: true });
  strangers.push(stranger);
  writeFileSync(usersPath(), `GPU-a, ${stranger.pid}\n`);
  return { job, stranger };
}

test('a slot and its GPU take no job while a process of the last one is on the GPU, and then do again (31)', async () => {
  await startAgent();
  const { job, stranger } = await jobWithStranger();
  const { attemptId } = job.spec;
  const reason = `still on its GPUs: process ${stranger.pid} on GPU-a`;
  expect(await finished(job)).toMatchObject({ outcome: 'completed', cleanupError: reason });
  expect(gpuOf(job)).toBe('GPU-a');
  await eventually('it is told', () => peer.outOfService.length > 0);
  expect(peer.outOfService).toEqual([{ attemptId, gpuIds: ['GPU-a'], reason }]);
  const hold = (name: string) =>
    `echo $CUDA_VISIBLE_DEVICES; while [ ! -e ${join(dir, name)} ]; do sleep 0.05; done`;
  const second = peer.submit({ gpus: 1, command: hold('second') });
  await eventually('the other slot takes one', () => started(second));
  const third = peer.submit({ gpus: 1, command: hold('third') });
  await eventually('nothing more is asked for', () => peer.lastFree === 0);
  expect(started(third)).toBe(false);
  stranger.kill('SIGKILL');
  await eventually('the slot takes one again', () => started(third));
  for (const name of ['second', 'third']) writeFileSync(join(dir, name), '');
  await Promise.all([finished(second), finished(third)]);
  expect([gpuOf(second), gpuOf(third)]).toEqual(['GPU-b', 'GPU-a']);
  await eventually('it is told', () => peer.outOfService.length === 0);
  await eventually('nothing is held', async () => (await readdir(join(dir, 'agent', 'held'))).length === 0);
});

test('an agent that was restarted keeps it out of service, too (31)', async () => {
  await startAgent();
  const { job, stranger } = await jobWithStranger();
  await finished(job);
  await eventually('it is told', () => peer.outOfService.length > 0);
  await agent.stop();
  peer.outOfService = [];
  await startAgent();
  await eventually('it is told again', () => peer.outOfService.length > 0);
  await eventually('one slot is offered', () => peer.lastFree === 1);
  expect(agent.held).toEqual([]);
  stranger.kill('SIGKILL');
  await eventually('both slots are offered', () => peer.lastFree === 2);
  await eventually('nothing is held', async () => (await readdir(join(dir, 'agent', 'held'))).length === 0);
});

test('a process that left the session and its environment is ended by the cgroup, where there is one (31)', async () => {
  await startAgent();
  const job = peer.submit({
    command: `env -i PATH="$PATH" setsid sh -c 'echo $$ > ${join(dir, 'escaped')}; exec sleep 300' & while [ ! -s ${join(dir, 'escaped')} ]; do sleep 0.05; done`,
  });
  expect(await finished(job)).toMatchObject({ outcome: 'completed', cleanupError: null });
  const pid = Number(readFileSync(join(dir, 'escaped'), 'utf8'));
  const group = await createCgroup(job.spec.attemptId);
  await group?.remove();
  const isGone = () => (readProcess(pid)?.state ?? 'Z') === 'Z';
  // Without a cgroup nothing leads to it.
  if (group === undefined) process.kill(pid, 'SIGKILL');
  else await eventually('it is gone', isGone, 2000);
  expect(peer.outOfService).toEqual([]);
});
