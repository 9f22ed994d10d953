import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readIdentityFile } from './local/process-identity.ts';
import { listProcesses } from './local/process-table.ts';
import { AgentPeer, finishOf, type PeerAttempt, streamOf } from './testing/agent-peer.ts';
import { eventually } from './testing/eventually.ts';
import { killProgramsOf, SpawnedAgents } from './testing/spawned-agents.ts';

let peer: AgentPeer;
let dataDir: string;
const agents = new SpawnedAgents();

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dataDir = await mkdtemp(join(tmpdir(), 'trainyard-crash-'));
});

afterEach(async () => {
  await agents.killAll();
  await peer.close();
  await killProgramsOf(peer);
  await rm(dataDir, { recursive: true, force: true });
});

const startAgent = () => agents.start({ url: peer.url, dataDir });
const fileOf = (attempt: PeerAttempt, name: string) =>
  join(dataDir, 'attempts', attempt.spec.attemptId, name);
const logOf = (attempt: PeerAttempt) => streamOf(attempt, 'log').toString();

test('kill -9 of the agent does not disturb the program; the next agent delivers the rest (11)', async () => {
  const count = 'i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.05; done; exit 5';
  let agent = await startAgent();
  const job = peer.submit({ command: count });
  await eventually('some lines', () => logOf(job).includes('line 2\n'));
  const program = readIdentityFile(fileOf(job, 'pid'));
  for (const line of ['line 12\n', 'line 24\n']) {
    await agents.kill(agent);
    await eventually('the program goes on', () =>
      readFileSync(fileOf(job, 'output.log'), 'utf8').includes(line),
    );
    agent = await startAgent();
  }
  const finish = await eventually('finish', () => finishOf(job));
  expect(finish).toMatchObject({ outcome: 'failed', exitCode: 5 });
  expect(readIdentityFile(fileOf(job, 'pid'))).toEqual(program);
  expect(logOf(job)).toBe(Array.from({ length: 40 }, (_, i) => `line ${i}\n`).join(''));
});

test('a program that ends while no agent runs is reported by the next one (12)', async () => {
  const agent = await startAgent();
  const job = peer.submit({ command: 'echo ready; sleep 0.5; echo \'{"a":1}\' > "$TRAINYARD_OUTPUTS"' });
  await eventually('ready', () => logOf(job).includes('ready'));
  await agents.kill(agent);
  await eventually('exit file', () => existsSync(fileOf(job, 'exit.json')));
  await startAgent();
  expect(await eventually('finish', () => finishOf(job))).toMatchObject({
    outcome: 'completed',
    outputs: { a: 1 },
  });
});

test('a program that was killed with agent and supervisor has vanished (13)', async () => {
  const agent = await startAgent();
  const job = peer.submit({ command: 'echo ready; exec sleep 60' });
  await eventually('ready', () => logOf(job).includes('ready'));
  await agents.kill(agent);
  process.kill(readIdentityFile(join(fileOf(job, 'pid.lock'), 'supervisor'))!.pid, 'SIGKILL');
  process.kill(readIdentityFile(fileOf(job, 'pid'))!.pid, 'SIGKILL');
  await startAgent();
  const finish = await eventually('finish', () => finishOf(job));
  expect(finish).toMatchObject({ outcome: 'failed', exitCode: null, error: { code: 'process_vanished' } });
});

test('the next agent cancels what was to be cancelled while none ran (7)', async () => {
  const agent = await startAgent();
  const job = peer.submit({
    graceMs: 300,
    command: 'trap "" TERM; echo ready; while :; do sleep 0.05; done',
  });
  await eventually('ready', () => logOf(job).includes('ready'));
  await agents.kill(agent);
  peer.command(job, 'cancel');
  await startAgent();
  expect(await eventually('finish', () => finishOf(job))).toMatchObject({
    outcome: 'cancelled',
    signal: 'SIGKILL',
  });
  const left = (await listProcesses()).filter(({ attemptId }) => attemptId === job.spec.attemptId);
  expect(left).toEqual([]);
});
