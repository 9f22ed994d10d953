import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAgent } from '../agent.ts';
import { isAlive, readIdentityFile } from '../local/process-identity.ts';
import { listProcesses } from '../local/process-table.ts';
import { AgentPeer, finishOf, type PeerAttempt, streamOf } from '../testing/agent-peer.ts';
import { eventually } from '../testing/eventually.ts';
import { silentLog } from '../testing/silent-log.ts';
import { killProgramsOf, SpawnedAgents } from '../testing/spawned-agents.ts';

let peer: AgentPeer;
let otherPeer: AgentPeer;
let dir: string;
const agents = new SpawnedAgents();

beforeEach(async () => {
  peer = new AgentPeer();
  otherPeer = new AgentPeer();
  await Promise.all([peer.listen(), otherPeer.listen()]);
  dir = await mkdtemp(join(tmpdir(), 'trainyard-guard-'));
});

afterEach(async () => {
  await agents.killAll();
  await Promise.all([peer.close(), otherPeer.close()]);
  await killProgramsOf(peer, otherPeer);
  await rm(dir, { recursive: true, force: true });
});

const startAgent = (name: string, timing: object, { url } = peer) =>
  agents.start({ url, dataDir: join(dir, name), timing });

/** Runs for ever, with a child in a session of its own, and does not care for signals. */
const STUBBORN = 'trap "" TERM; setsid sleep 300 & echo ready; while :; do sleep 0.1; done';
const timing = { lostGraceMs: 8000, requestTimeoutMs: 1000, claimWaitMs: 200 };
const LEASE_MS = 2000;

const logHas = (job: PeerAttempt, text: string) =>
  eventually(`"${text}" in the log`, () => streamOf(job, 'log').toString().includes(text));
const processesOf = async (job: PeerAttempt) =>
  (await listProcesses()).filter(({ attemptId }) => attemptId === job.spec.attemptId);
const guardOf = (name: string) => readIdentityFile(join(dir, name, 'guard'));

async function stubbornJobOn(name: string, server: AgentPeer) {
  server.leaseMs = LEASE_MS;
  const agent = await startAgent(name, timing, server);
  const job = server.submit({ command: STUBBORN, graceMs: 500 });
  await logHas(job, 'ready');
  const guard = await eventually('the guard', () => guardOf(name));
  return { agent, job, guard };
}

test('the programs of an agent that stands still, or is gone, end before the server starts them elsewhere (17, 37)', async () => {
  const gone = await stubbornJobOn('gone', peer);
  const still = await stubbornJobOn('still', otherPeer);
  const lostAtMs = performance.now() + LEASE_MS + timing.lostGraceMs;
  still.agent.kill('SIGSTOP');
  await agents.kill(gone.agent);
  for (const { job } of [gone, still]) expect(await processesOf(job)).not.toEqual([]);
  for (const { job } of [gone, still]) {
    await eventually('its programs are gone', async () => (await processesOf(job)).length === 0);
    expect(performance.now()).toBeLessThan(lostAtMs);
    expect(job.reports.map(({ kind }) => kind)).toEqual(['started']);
  }
  // Nothing is left to guard.
  await eventually('the guard of the agent that is gone ends', () => !isAlive(gone.guard));
  still.agent.kill('SIGCONT');
  await startAgent('gone', timing);
  for (const { job } of [gone, still]) {
    const finish = await eventually('finish report', () => finishOf(job));
    expect(finish).toMatchObject({ outcome: 'failed', error: { code: 'partitioned' } });
  }
});

test('an agent that stands still for less than its lease loses nothing (37)', async () => {
  peer.leaseMs = 6000;
  const agent = await startAgent('agent', timing);
  const job = peer.submit({ command: 'echo ready; sleep 2; echo end' });
  await logHas(job, 'ready');
  agent.kill('SIGSTOP');
  const exit = join(dir, 'agent', 'attempts', job.spec.attemptId, 'exit.json');
  await eventually('the program ends by itself', () => existsSync(exit));
  agent.kill('SIGCONT');
  expect(await eventually('finish report', () => finishOf(job))).toMatchObject({ outcome: 'completed' });
  expect(streamOf(job, 'log').toString()).toBe('ready\nend\n');
});

test('while the only server of an embedded database is down, the programs of a killed agent go on (38)', async () => {
  peer.leaseMs = 500;
  peer.database = 'embedded';
  const short = { ...timing, lostGraceMs: 1000 };
  const agent = await startAgent('agent', short);
  const job = peer.submit({ command: 'echo ready; sleep 5; echo end' });
  await logHas(job, 'ready');
  await eventually('the guard', () => guardOf('agent'));
  await peer.close();
  await agents.kill(agent);
  const exit = join(dir, 'agent', 'attempts', job.spec.attemptId, 'exit.json');
  await eventually('the program ends by itself', () => existsSync(exit));
  expect(JSON.parse(readFileSync(exit, 'utf8'))).toMatchObject({ exitCode: 0 });
  await peer.listen();
  await startAgent('agent', short);
  expect(await eventually('finish report', () => finishOf(job))).toMatchObject({ outcome: 'completed' });
});

test('what an answer brings that was on its way for longer than the lease is not started (37)', async () => {
  peer.leaseMs = 500;
  peer.claimAnswerDelayMs = 2500;
  const agent = createAgent({
    ...{ url: peer.url, dataDir: join(dir, 'agent'), log: silentLog },
    timing: { ...timing, lostGraceMs: 1000, requestTimeoutMs: 10_000 },
  });
  await agent.start();
  const job = peer.submit({ command: 'echo started' });
  await eventually('it is assigned', () => peer.lastFree === 2 && peer.assigned > 0);
  const next = peer.submit({ command: 'echo next' });
  peer.claimAnswerDelayMs = 0;
  await eventually('the next one has ended', () => finishOf(next));
  expect(job.reports).toEqual([]);
  expect(await readdir(join(dir, 'agent', 'attempts'))).toEqual([next.spec.attemptId]);
  await agent.stop();
  // In order, and nothing runs: no guard stays.
  expect((await readdir(join(dir, 'agent'))).sort()).toEqual(['agent.json', 'attempts', 'held']);
});
