import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@trainyard/protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, createAgent } from '../agent.ts';
import { AgentPeer, finishOf } from '../testing/agent-peer.ts';
import { eventually } from '../testing/eventually.ts';
import { silentLog } from '../testing/silent-log.ts';
import { startContext } from '../testing/start-job.ts';
import { type Cgroup, createCgroup } from './cgroup.ts';
import { localExecutor } from './local-executor.ts';

let peer: AgentPeer;
let dir: string;
let agent: Agent | undefined;
const groups: Cgroup[] = [];

beforeEach(async () => {
  peer = new AgentPeer();
  await peer.listen();
  dir = await mkdtemp(join(tmpdir(), 'trainyard-left-'));
});

afterEach(async () => {
  await agent?.stop();
  agent = undefined;
  await peer.close();
  for (const group of groups.splice(0)) await group.remove();
  await rm(dir, { recursive: true, force: true });
});

async function startAgent(): Promise<void> {
  agent = createAgent({ url: peer.url, dataDir: join(dir, 'agent'), log: silentLog });
  await agent.start();
}

/** As if an agent had been killed after it had made the group of this attempt. */
async function leftGroup(attemptId: string): Promise<string | undefined> {
  const group = await createCgroup(attemptId);
  if (group !== undefined) groups.push(group);
  return group?.dir;
}

test('a start that fails leaves no cgroup, and says what to do where a value is too large', async () => {
  // More than the kernel takes as one variable.
  const context = startContext(dir, 'true', { env: { BIG: 'x'.repeat(300_000) } });
  await expect(localExecutor.start(context)).rejects.toMatchObject({
    runError: { code: 'start_failed', message: expect.stringContaining('$TRAINYARD_PARAMS') },
  });
  const made = await readFile(context.files.cgroup, 'utf8').catch(() => '');
  expect(made === '' || !existsSync(made.trim())).toBe(true);
});

test('what a supervisor was writing when it was killed does not stay', async () => {
  const context = startContext(dir, 'exit 3');
  const attempt = await localExecutor.start(context);
  await attempt.waitForExit(new AbortController().signal);
  await writeFile(`${context.files.exit}.tmp`, '{"exit');
  await writeFile(`${context.files.pid}.tmp`, '');
  await eventually('the supervisor is gone', async () => {
    await attempt.cleanUp();
    return !existsSync(`${context.files.exit}.tmp`) && !existsSync(`${context.files.pid}.tmp`);
  });
});

test('a start of the agent takes away what the one before was making when it was killed', async () => {
  const home = join(dir, 'agent');
  const [half, over, foreign] = [newId('att'), newId('att'), newId('att')];
  for (const id of [half, over]) await mkdir(join(home, 'attempts', id), { recursive: true });
  await mkdir(join(home, 'held'));
  await writeFile(join(home, 'held', half), '');
  await writeFile(join(home, 'attempts', half, 'spec.json'), '{}');
  const gone = 4_190_000;
  await writeFile(join(home, `agent.json.tmp.${gone}.3`), '{');
  await writeFile(join(home, `agent.lock.tmp.${gone}.0`), '{');
  const [ours, others] = [await leftGroup(over), await leftGroup(foreign)];
  await startAgent();
  expect(await readdir(join(home, 'attempts'))).toEqual([over]);
  expect(await readdir(join(home, 'held'))).toEqual([]);
  expect((await readdir(home)).sort()).toEqual(['agent.json', 'agent.lock', 'attempts', 'held']);
  expect(ours !== undefined && existsSync(ours)).toBe(false);
  // Another agent of this machine may be about to use it.
  expect(others === undefined || existsSync(others)).toBe(true);
});

test('a job leaves no cgroup', async () => {
  await startAgent();
  const job = peer.submit({ command: 'setsid sleep 300 & exit 0' });
  await eventually('finish report', () => finishOf(job));
  expect(finishOf(job)).toMatchObject({ outcome: 'completed', cleanupError: null });
  const { attemptId } = job.spec;
  const made = await readFile(join(dir, 'agent', 'attempts', attemptId, 'cgroup'), 'utf8').catch(() => '');
  expect(made === '' || !existsSync(made.trim())).toBe(true);
});
