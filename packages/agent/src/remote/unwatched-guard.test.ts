import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hostConfig } from '../hosts/host-config.ts';
import { isAlive, readIdentityFile } from '../local/process-identity.ts';
import { listProcesses } from '../local/process-table.ts';
import { AgentPeer, finishOf, type PeerAttempt, streamOf } from '../testing/agent-peer.ts';
import { eventually } from '../testing/eventually.ts';
import { silentLog } from '../testing/silent-log.ts';
import { killProgramsOf, SpawnedAgents } from '../testing/spawned-agents.ts';
import { hasSshd, SshTestServer } from '../testing/ssh-server.ts';
import { startContext } from '../testing/start-job.ts';
import { SshTransport } from '../transport/ssh-transport.ts';
import { RemoteExecutor } from './remote-executor.ts';

let server: SshTestServer;
let peer: AgentPeer;
let root: string;
const agents = new SpawnedAgents();

beforeAll(async () => {
  if (hasSshd) server = await SshTestServer.start();
});
afterAll(() => server?.remove());
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'trainyard-unwatched-'));
  mkdirSync(join(root, 'code'));
  peer = new AgentPeer();
  await peer.listen();
});
afterEach(async () => {
  await agents.killAll();
  await peer.close();
  await killProgramsOf(peer);
  rmSync(root, { recursive: true, force: true });
});

const LIMIT_SECONDS = 4;

function startAgent(unwatchedForSeconds: number | undefined) {
  const config = hostConfig.parse({
    host: 'box',
    workingDir: join(root, 'host'),
    unwatchedForSeconds,
    slots: 4,
  });
  const host = { name: 'box', config, target: server.target };
  return agents.start({ url: peer.url, dataDir: join(root, 'agent'), host });
}

async function jobOf(command: string): Promise<PeerAttempt> {
  const job = peer.submit({ command, graceMs: 500, executor: 'ssh', workingDir: join(root, 'code') });
  await eventually('it is ready', () => streamOf(job, 'log').toString().includes('ready'));
  return job;
}

const processesOf = async ({ attemptId }: { readonly attemptId: string }) =>
  (await listProcesses()).filter((row) => row.attemptId === attemptId);
const inHost = ({ attemptId }: { readonly attemptId: string }, name: string) =>
  join(root, 'host/attempts', attemptId, name);
const guardOf = (spec: { readonly attemptId: string }) =>
  eventually('its guard', () => readIdentityFile(inHost(spec, 'guard')));
/** Does not care for TERM, and has a child in a session of its own. */
const STUBBORN = 'trap "" TERM; setsid sleep 300 & echo ready; while :; do sleep 0.1; done';

describe.skipIf(!hasSshd)('a program on a host that limits how long it is unwatched', () => {
  test('ends there when its agent was killed and none came back in time, and another job is not touched', async () => {
    const first = await startAgent(LIMIT_SECONDS);
    const [job, done] = [await jobOf(STUBBORN), await jobOf('echo ready')];
    const guard = await guardOf(job.spec);
    await eventually('the short one has ended', () => finishOf(done));
    await eventually('the guard of the one that has ended is gone', () => {
      const other = readIdentityFile(inHost(done.spec, 'guard'));
      return other !== undefined && !isAlive(other);
    });
    const killedAtMs = performance.now();
    await agents.kill(first);
    await eventually('it is gone', async () => (await processesOf(job.spec)).length === 0);
    expect(performance.now() - killedAtMs).toBeGreaterThan((LIMIT_SECONDS - 2) * 1000);
    await eventually('so is the guard', () => !isAlive(guard));
    expect(existsSync(inHost(job.spec, 'unwatched'))).toBe(true);
    await startAgent(LIMIT_SECONDS);
    const finish = await eventually('finish report', () => finishOf(job));
    expect(finish).toMatchObject({ outcome: 'failed', error: { code: 'unwatched', class: 'lost' } });
  }, 60_000);

  test('goes on when an agent came back in time, and the guard ends with it', async () => {
    const first = await startAgent(LIMIT_SECONDS);
    const job = await jobOf(`echo ready; sleep ${LIMIT_SECONDS + 3}; echo end`);
    const guard = await guardOf(job.spec);
    await agents.kill(first);
    await startAgent(LIMIT_SECONDS);
    expect(await eventually('finish report', () => finishOf(job))).toMatchObject({ outcome: 'completed' });
    expect(streamOf(job, 'log').toString()).toBe('ready\nend\n');
    await eventually('the guard is gone', () => !isAlive(guard));
  }, 60_000);

  test('a limit that is set, changed or taken away holds for what runs already', async () => {
    const given = startContext(root, 'echo ready; exec sleep 300', { workingDir: join(root, 'code') });
    const executorWith = (unwatchedForMs: number) =>
      new RemoteExecutor({
        ...{
          name: 'ssh:box',
          transport: new SshTransport(server.target, { key: `${root} ${unwatchedForMs}` }),
        },
        ...{ workingDir: join(root, 'host'), log: silentLog, unwatchedForMs },
      });
    const [none, long, short] = [executorWith(0), executorWith(10_000), executorWith(2000)];
    try {
      await none.start(given);
      expect(existsSync(inHost(given.spec, 'guard'))).toBe(false);
      await long.adopt(given.files, given.spec);
      const guard = await guardOf(given.spec);
      await none.adopt(given.files, given.spec);
      await eventually('it is not guarded any more', () => !isAlive(guard));
      expect(await processesOf(given.spec)).not.toEqual([]);
      await short.adopt(given.files, given.spec);
      await eventually('it is ended', async () => (await processesOf(given.spec)).length === 0);
    } finally {
      for (const executor of [none, long, short]) await executor.close();
    }
  }, 90_000);
});
