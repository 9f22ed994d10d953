import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AskCached } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AgentPeer, finishOf, type PeerAttempt, streamOf } from '../testing/agent-peer.ts';
import { eventually } from '../testing/eventually.ts';
import { SpawnedAgents } from '../testing/spawned-agents.ts';

let peer: AgentPeer;
let dir: string;
let asks: AskCached[];
const agents = new SpawnedAgents();

beforeEach(async () => {
  peer = new AgentPeer();
  asks = [];
  answer(null);
  await peer.listen();
  dir = mkdtempSync(join(tmpdir(), 'trainyard-cache-'));
  writeFileSync(join(dir, 'in.csv'), '1\n');
});
afterEach(async () => {
  for (const attempt of peer.attempts.values()) peer.command(attempt, 'discard');
  await agents.killAll();
  await peer.close();
  rmSync(dir, { recursive: true, force: true });
});

function answer(from: string | null | undefined): void {
  peer.cached = (ask) => {
    asks.push(ask);
    return from;
  };
}

const startAgent = () => agents.start({ url: peer.url, dataDir: join(dir, 'agent') });
const cache = { digest: 'd'.repeat(64), inputs: ['in.csv'], code: [], lookUp: true, maxAgeMs: null };
const submit = (command: string, more = {}): PeerAttempt =>
  peer.submit({ command, workingDir: dir, cache: { ...cache, baseDir: dir, ...more } });
const finished = (job: PeerAttempt) => eventually('finish', () => finishOf(job));
const logOf = (job: PeerAttempt) => streamOf(job, 'log').toString();
const hasRun = (job: PeerAttempt) => existsSync(join(dir, 'agent', 'attempts', job.spec.attemptId, 'pid'));
/** Runs until a file is there. */
const UNTIL_GO = 'echo up; until [ -e go ]; do sleep 0.02; done';

test('a result that the server has ends an attempt without a process, also when the agent is killed before', async () => {
  answer(undefined);
  const agent = await startAgent();
  const job = submit('echo ran');
  await eventually('the question', () => asks.length === 1);
  await agents.kill(agent);
  answer('run_earlier');
  await startAgent();
  const { hashes } = asks[0]!;
  expect(await finished(job)).toMatchObject({
    outcome: 'completed',
    exitCode: null,
    cache: { kind: 'hit', hashes, from: 'run_earlier' },
  });
  expect(asks.every((ask) => ask.epoch === 1 && ask.hashes.inputs[0] === hashes.inputs[0])).toBe(true);
  expect(hasRun(job)).toBe(false);
  expect(job.reports.map(({ kind }) => kind)).toEqual(['finished']);
});

test('what a program started with is known to the agent that adopts it', async () => {
  const agent = await startAgent();
  const same = submit(UNTIL_GO);
  await eventually('it runs', () => logOf(same).includes('up'));
  await agents.kill(agent);
  writeFileSync(join(dir, 'go'), '');
  await startAgent();
  expect(await finished(same)).toMatchObject({ cache: { kind: 'ran', hashes: asks[0]!.hashes } });
});

test('a file that changes while no agent looks is noticed', async () => {
  const agent = await startAgent();
  const job = submit(UNTIL_GO);
  await eventually('it runs', () => logOf(job).includes('up'));
  await agents.kill(agent);
  writeFileSync(join(dir, 'in.csv'), '2\n');
  writeFileSync(join(dir, 'go'), '');
  await startAgent();
  expect(await finished(job)).toMatchObject({
    outcome: 'completed',
    cache: { kind: 'changed', reason: 'its result is not kept: "in.csv" was changed while it ran' },
  });
});

test('a program runs where nothing is to be looked up, or its files are not there, and failures tell nothing', async () => {
  await startAgent();
  answer('run_earlier');
  const told = submit('true', { lookUp: false });
  const missing = submit('true', { inputs: ['none.csv'] });
  expect(await finished(told)).toMatchObject({ cache: { kind: 'ran' } });
  expect(await finished(missing)).toMatchObject({
    outcome: 'completed',
    cache: { kind: 'unknown', reason: `there is no file "none.csv" in ${dir}` },
  });
  expect(asks).toEqual([]);
  answer(null);
  const failed = submit('exit 3');
  expect(await finished(failed)).not.toHaveProperty('cache');
});

test('a cancel ends an attempt that waits for the answer', async () => {
  answer(undefined);
  await startAgent();
  const job = submit('echo ran');
  await eventually('the question', () => asks.length === 1);
  peer.command(job, 'cancel');
  expect(await finished(job)).toMatchObject({ outcome: 'cancelled' });
  expect(hasRun(job)).toBe(false);
});
