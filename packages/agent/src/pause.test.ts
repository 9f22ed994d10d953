import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PauseMode } from '@trainyard/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Agent, createAgent } from './agent.ts';
import { listProcesses } from './local/process-table.ts';
import { AgentPeer, finishOf, type PeerAttempt, streamOf } from './testing/agent-peer.ts';
import { eventually } from './testing/eventually.ts';
import { silentLog } from './testing/silent-log.ts';

const EXAMPLE = fileURLToPath(new URL('../../../examples/pause/', import.meta.url));

let peer: AgentPeer;
let dir: string;
let agents: Agent[] = [];

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dir = await mkdtemp(join(tmpdir(), 'trainyard-pause-'));
});

afterEach(async () => {
  for (const attempt of peer.attempts.values()) peer.command(attempt, 'discard');
  for (const agent of agents.splice(0)) {
    await eventually('end of all jobs', () => agent.held.every(({ pid }) => pid === undefined));
    await agent.stop();
  }
  await peer.close();
  await rm(dir, { recursive: true, force: true });
});

async function startAgent(): Promise<Agent> {
  const agent = createAgent({ url: peer.url, dataDir: join(dir, 'agent'), log: silentLog });
  agents.push(agent);
  await agent.start();
  return agent;
}

function train(env: Record<string, string> = {}, more: object = {}): PeerAttempt {
  return peer.submit({ command: ['python3', join(EXAMPLE, 'train.py')], workingDir: dir, env, ...more });
}

const finished = (attempt: PeerAttempt) => eventually('finish report', () => finishOf(attempt), 60_000);
const logOf = (attempt: PeerAttempt) => streamOf(attempt, 'log').toString();
const points = (attempt: PeerAttempt) =>
  streamOf(attempt, 'metrics')
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { step: number; loss: number });
const reportsOf = (attempt: PeerAttempt, kind: 'paused' | 'resumed') =>
  attempt.reports.filter((report) => report.kind === kind);
const reaches = (attempt: PeerAttempt, step: number) =>
  eventually(`step ${step}`, () => (points(attempt).at(-1)?.step ?? 0) >= step);

/** Resolves with the milliseconds until the pause was reported. */
async function pause(attempt: PeerAttempt, mode: PauseMode): Promise<number> {
  const before = reportsOf(attempt, 'paused').length;
  const startedAt = performance.now();
  peer.command(attempt, 'pause', mode);
  await eventually('paused', () => reportsOf(attempt, 'paused').length > before);
  return performance.now() - startedAt;
}

async function resume(attempt: PeerAttempt): Promise<void> {
  const before = reportsOf(attempt, 'resumed').length;
  peer.command(attempt, 'resume');
  await eventually('resumed', () => reportsOf(attempt, 'resumed').length > before);
}

describe('20 pauses of a training (32)', () => {
  test.each(['cooperative', 'freeze'] as const)(
    'that is halted by %s load the model once and leave no trace in the loss curve',
    async (mode) => {
      await startAgent();
      // Enough that it does not end before the last pause, also on a busy machine.
      const steps = '1500';
      const tookMs: number[] = [];
      const undisturbed = train({ STEPS: steps, STEP_SECONDS: '0' });
      await finished(undisturbed);
      await rm(join(dir, 'model-loads'));
      const job = train({ STEPS: steps, STEP_SECONDS: '0.01' });
      let step = 1;
      for (let cycle = 0; cycle < 20; cycle += 1, step += 5) {
        await reaches(job, step);
        tookMs.push(await pause(job, mode));
        expect(reportsOf(job, 'paused').at(-1)).toMatchObject({ mode });
        await resume(job);
      }
      // The median: a single one may wait for its turn on a busy machine.
      expect(tookMs.sort((a, b) => a - b)[10]).toBeLessThan(2000);
      expect(await finished(job)).toMatchObject({ outcome: 'completed', exitCode: 0 });
      expect(await readFile(join(dir, 'model-loads'), 'utf8')).toBe('loaded\n');
      const curve = ({ step: at, loss }: { step: number; loss: number }) => [at, loss];
      expect(points(job).map(curve)).toEqual(points(undisturbed).map(curve));
    },
    150_000,
  );
});

test('a training in TypeScript is paused between two steps, too', async () => {
  await startAgent();
  const job = peer.submit({
    command: ['node', join(EXAMPLE, 'train.ts')],
    workingDir: dir,
    env: { STEPS: '100', STEP_SECONDS: '0.02' },
  });
  await reaches(job, 2);
  for (let cycle = 0; cycle < 3; cycle += 1) {
    await pause(job, 'cooperative');
    expect(reportsOf(job, 'paused').at(-1)).toMatchObject({ mode: 'cooperative' });
    await resume(job);
  }
  expect(await finished(job)).toMatchObject({ outcome: 'completed' });
  expect(points(job).map(({ step }) => step)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
});

describe('a pause', () => {
  test('really halts: no step is made until it is over, and the lease is renewed meanwhile', async () => {
    await startAgent();
    const job = train();
    await reaches(job, 3);
    await pause(job, 'freeze');
    // What it had written before is on its way for a moment.
    const beats = peer.heartbeats;
    await eventually('heartbeats', () => peer.heartbeats > beats + 2);
    const { length } = points(job);
    await eventually('more heartbeats', () => peer.heartbeats > beats + 5);
    expect(points(job).length).toBe(length);
    await resume(job);
    await reaches(job, length + 5);
  });

  test('of a program that does not look at its control file freezes it, with all that left its session', async () => {
    await startAgent();
    const job = peer.submit({ command: 'setsid sleep 300 & sleep 300' });
    await eventually('start', () => job.reports.some(({ kind }) => kind === 'started'));
    await pause(job, 'cooperative');
    expect(reportsOf(job, 'paused')[0]).toMatchObject({ mode: 'freeze' });
    await resume(job);
  });

  test('in mode auto does not wait for a long step', async () => {
    await startAgent();
    const job = train({ STEP_SECONDS: '30' });
    await reaches(job, 1);
    expect(await pause(job, 'auto')).toBeLessThan(15_000);
    expect(reportsOf(job, 'paused')[0]).toMatchObject({ mode: 'freeze' });
  });

  test('is gone on with by the next agent (35)', async () => {
    const agent = await startAgent();
    const job = train();
    await reaches(job, 3);
    await pause(job, 'freeze');
    await agent.stop();
    agents = [];
    await startAgent();
    await eventually('reported again', () => reportsOf(job, 'paused').length > 1);
    const { length } = points(job);
    await resume(job);
    await reaches(job, length + 5);
  });

  test.each(['freeze', 'cooperative'] as const)(
    'by %s does not keep a cancel from ending it politely (3)',
    async (mode) => {
      await startAgent();
      const job = train({}, { graceMs: 5000 });
      await reaches(job, 3);
      await pause(job, mode);
      const startedAt = performance.now();
      peer.command(job, 'cancel');
      expect(await finished(job)).toMatchObject({ outcome: 'cancelled', signal: 'SIGTERM' });
      expect(performance.now() - startedAt).toBeLessThan(4000);
      const left = (await listProcesses()).filter(({ attemptId }) => attemptId === job.spec.attemptId);
      expect(left).toEqual([]);
    },
  );
});

describe('a release (33)', () => {
  test('saves a checkpoint, gives the slot back, and goes on at the same step with the same optimizer', async () => {
    const agent = await startAgent();
    const env = { STEPS: '1500' };
    const job = train(env);
    await reaches(job, 20);
    peer.command(job, 'pause', 'release');
    const end = await finished(job);
    expect(end).toMatchObject({ outcome: 'released', exitCode: 0 });
    const { path, step } = end!.checkpoint!;
    const saved = JSON.parse(await readFile(path, 'utf8')) as { step: number; velocity: number[] };
    expect(saved.step).toBe(step);
    await eventually('free slot', () => agent.held.length === 0);
    const next = train({ ...env, STEP_SECONDS: '0' }, { number: 2, resumeFrom: end!.checkpoint });
    expect(await finished(next)).toMatchObject({ outcome: 'completed' });
    expect(logOf(next)).toContain(`goes on at step ${step} with velocity`);
    const velocity = /with velocity (\[.*\])/;
    expect(velocity.exec(logOf(next))![1]).toBe(velocity.exec(logOf(job))![1]);
    const both = [...points(job), ...points(next)].map((point) => point.step);
    expect(both).toEqual(Array.from({ length: 1500 }, (_, at) => at + 1));
  });

  test('before there is anything to save ends without a checkpoint', async () => {
    await startAgent();
    const job = peer.submit({
      command: [
        'python3',
        '-c',
        'from step_control import StepControl as C\nc = C()\nwhile True: c.at_step(0, lambda: None)',
      ],
      workingDir: EXAMPLE,
    });
    await eventually('hello', () => readFile(answerOf(job)).catch(() => undefined));
    peer.command(job, 'pause', 'release');
    const end = await finished(job);
    expect(end).toMatchObject({ outcome: 'released' });
    expect(end!.checkpoint).toBeUndefined();
  });

  test('that takes longer than the grace is killed, and the old checkpoint is intact', async () => {
    await startAgent();
    const old = join(dir, 'checkpoint.json');
    await writeFile(old, '{"weights":[0,0],"velocity":[0,0],"step":0}');
    const job = train({ SAVE_SECONDS: '60' }, { graceMs: 1000 });
    await reaches(job, 3);
    peer.command(job, 'pause', 'release');
    expect(await finished(job)).toMatchObject({ outcome: 'released', signal: 'SIGKILL' });
    expect(JSON.parse(await readFile(old, 'utf8'))).toMatchObject({ step: 0 });
  });

  test('of a program that cannot freezes it and says so', async () => {
    await startAgent();
    const job = peer.submit({ command: 'sleep 300' });
    await eventually('start', () => job.reports.some(({ kind }) => kind === 'started'));
    await pause(job, 'release');
    expect(reportsOf(job, 'paused')[0]).toMatchObject({
      mode: 'freeze',
      note: expect.stringContaining('keeps its slot'),
    });
  });
});

const answerOf = (attempt: PeerAttempt) =>
  join(dir, 'agent', 'attempts', attempt.spec.attemptId, 'control.ack');
