import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AgentPeer, finishOf, type PeerAttempt, streamOf } from '../testing/agent-peer.ts';
import { eventually } from '../testing/eventually.ts';
import { killProgramsOf, SpawnedAgents } from '../testing/spawned-agents.ts';
import { proofOf } from './attempt-token.ts';

let peer: AgentPeer;
let dataDir: string;
const agents = new SpawnedAgents();

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dataDir = await mkdtemp(join(tmpdir(), 'trainyard-tokens-'));
});

afterEach(async () => {
  await agents.killAll();
  await peer.close();
  await killProgramsOf(peer);
  await rm(dataDir, { recursive: true, force: true });
});

const startAgent = () => agents.start({ url: peer.url, dataDir });
const fileOf = ({ spec }: PeerAttempt, name: string) => join(dataDir, 'attempts', spec.attemptId, name);
const stateOf = async (job: PeerAttempt) =>
  JSON.parse(await readFile(fileOf(job, 'agent-state.json'), 'utf8')) as {
    token?: string;
    tokenProofs: string[];
  };
const logOf = (attempt: PeerAttempt) => streamOf(attempt, 'log').toString();

/** Everything that the agent has on disk. What it removes meanwhile is left out. */
async function onDisk(): Promise<string> {
  const texts: string[] = [];
  for (const name of await readdir(dataDir, { recursive: true })) {
    const path = join(dataDir, name);
    if (!(await stat(path).catch(unlessGone))?.isFile()) continue;
    texts.push((await readFile(path, 'latin1').catch(unlessGone)) ?? '');
  }
  return texts.join('\n');
}

function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

test('no token is on disk; an agent that is killed, also while the server is away, goes on with new ones', async () => {
  const first = await startAgent();
  const job = peer.submit({ command: 'echo ready; sleep 1; echo end; exit 3' });
  await eventually('ready', () => logOf(job).includes('ready'));
  expect(await onDisk()).not.toContain(job.token);
  expect((await stateOf(job)).tokenProofs).toEqual([proofOf(job.token)]);
  await agents.kill(first);
  // The second agent finds no server; the program ends in its time.
  peer.outage = 'UNAVAILABLE';
  startAgent().catch(() => undefined);
  await eventually('a new token', async () => (await stateOf(job)).tokenProofs.length === 2);
  await eventually('the end', () => existsSync(fileOf(job, 'exit.json')));
  await agents.killAll();
  peer.outage = undefined;
  // The server takes the new token of the third, which is not told so.
  peer.loseRenewalAnswers = 1;
  await startAgent();
  expect(await eventually('finish', () => finishOf(job))).toMatchObject({ outcome: 'failed', exitCode: 3 });
  expect(logOf(job)).toBe('ready\nend\n');
  expect([peer.renewals, job.tokenHash === proofOf(job.token)]).toEqual([2, false]);
  await eventually('one proof is left', async () => (await stateOf(job)).tokenProofs.length === 1);
  expect((await stateOf(job)).tokenProofs).toEqual([job.tokenHash]);
}, 30_000);

test('whose attempt has got another token meanwhile is not believed, and ends its program', async () => {
  const agent = await startAgent();
  const job = peer.submit({ command: 'echo ready; exec sleep 60' });
  await eventually('ready', () => logOf(job).includes('ready'));
  await agents.kill(agent);
  job.tokenHash = proofOf('of somebody else');
  await startAgent();
  await eventually('the program is gone', () => existsSync(fileOf(job, 'exit.json')));
  expect([peer.renewals, finishOf(job)]).toEqual([0, undefined]);
}, 30_000);

test('a token that an older agent has left on disk is taken for its proof, and leaves the disk', async () => {
  const agent = await startAgent();
  const waits = 'until [ -e "$TRAINYARD_ATTEMPT_DIR/go" ]; do sleep 0.02; done';
  const job = peer.submit({ command: `echo ready; ${waits}; echo end` });
  await eventually('ready', () => logOf(job).includes('ready'));
  await agents.kill(agent);
  const { tokenProofs: _, ...state } = await stateOf(job);
  await writeFile(fileOf(job, 'agent-state.json'), JSON.stringify({ ...state, token: job.token }));
  await writeFile(fileOf(job, 'go'), '');
  await startAgent();
  expect(await eventually('finish', () => finishOf(job))).toMatchObject({ outcome: 'completed' });
  expect(logOf(job)).toBe('ready\nend\n');
  expect(await onDisk()).not.toContain(job.token);
}, 30_000);
