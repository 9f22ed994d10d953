import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '@trainyard/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { RunningAttempt, StartContext } from '../executor.ts';
import { listProcesses } from '../local/process-table.ts';
import { eventually } from '../testing/eventually.ts';
import { silentLog } from '../testing/silent-log.ts';
import { hasSshd, SshTestServer } from '../testing/ssh-server.ts';
import { startContext } from '../testing/start-job.ts';
import { SshTransport } from '../transport/ssh-transport.ts';
import { RemoteExecutor } from './remote-executor.ts';

const never = new AbortController().signal;
const started: RunningAttempt[] = [];
const executors: RemoteExecutor[] = [];
let server: SshTestServer;
let root: string;

beforeAll(async () => {
  if (hasSshd) server = await SshTestServer.start();
});
afterAll(() => server?.remove());
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'trainyard-fence-'));
  mkdirSync(join(root, 'code'));
});
afterEach(async () => {
  for (const attempt of started.splice(0)) {
    await attempt.cancel({ graceMs: 0 });
    await attempt.cleanUp();
  }
  for (const executor of executors.splice(0)) await executor.close();
  rmSync(root, { recursive: true, force: true });
});

/** Another agent's, with a connection of its own. */
function executorIn(workingDir: string): RemoteExecutor {
  const transport = new SshTransport(server.target, { key: `${root} ${executors.length}` });
  const executor = new RemoteExecutor({
    ...{ name: 'ssh:box', transport, workingDir: join(root, workingDir) },
    ...{ log: silentLog, pollMs: 200 },
  });
  executors.push(executor);
  return executor;
}

function attemptOf(runId: string, number: number, command: string): StartContext {
  const given = startContext(root, command, { workingDir: join(root, 'code') });
  return { ...given, spec: { ...given.spec, runId, number } };
}

async function start(executor: RemoteExecutor, given: StartContext): Promise<RunningAttempt> {
  const attempt = await executor.start(given);
  started.push(attempt);
  return attempt;
}

const textOf = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
const processesOf = async ({ spec }: StartContext) =>
  (await listProcesses()).filter(({ attemptId }) => attemptId === spec.attemptId);
/** Processes that name the run in their environment. */
const withRun = (runId: string) =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(runId);
    } catch {
      return false;
    }
  });
/** Does not care for TERM, and has a child that has left its session and does not carry its mark. */
const STUBBORN =
  'trap "" TERM; setsid sleep 300 & env -u TRAINYARD_ATTEMPT_ID -u TRAINYARD_ATTEMPT_DIR setsid sleep 301 & echo ready; while :; do sleep 0.1; done';

async function stubborn(executor: RemoteExecutor, runId: string): Promise<StartContext> {
  const given = attemptOf(runId, 1, STUBBORN);
  const attempt = await start(executor, given);
  const seen = attempt.waitForExit(never).catch(() => undefined);
  await eventually('it is ready', () => textOf(given.files.output).includes('ready'));
  expect((await processesOf(given)).length).toBeGreaterThan(0);
  void seen;
  return given;
}

describe.skipIf(!hasSshd)('an attempt that starts on a host', () => {
  test.each(['host', 'other'])(
    'first ends the earlier one of its run, which another agent started there (its directory: %s)',
    async (workingDir) => {
      const runId = newId('run');
      const earlier = await stubborn(executorIn('host'), runId);
      const bystander = await stubborn(executorIn('host'), newId('run'));
      const before = withRun(runId);
      const next = attemptOf(runId, 2, 'echo second');
      const attempt = await start(executorIn(workingDir), next);
      expect(await processesOf(earlier)).toEqual([]);
      expect(before.length).toBeGreaterThan(2);
      expect(withRun(runId).filter((pid) => before.includes(pid))).toEqual([]);
      expect(await attempt.waitForExit(never)).toMatchObject({ kind: 'exited', exitCode: 0 });
      expect(textOf(next.files.output)).toBe('second\n');
      // Of another run nothing was touched.
      expect((await processesOf(bystander)).length).toBeGreaterThan(0);
    },
    60_000,
  );

  test('prevents an earlier one whose start arrives late', async () => {
    const runId = newId('run');
    const executor = executorIn('host');
    const next = attemptOf(runId, 2, 'echo second; sleep 60');
    await start(executor, next);
    for (const late of [executorIn('host'), executorIn('other')]) {
      await expect(late.start(attemptOf(runId, 1, 'echo first'))).rejects.toMatchObject({
        runError: { code: 'superseded' },
      });
    }
    expect((await processesOf(next)).length).toBeGreaterThan(0);
  });

  test('of attempts of one run that start at once in any order, only the last one runs', async () => {
    const runId = newId('run');
    const agents = [executorIn('host'), executorIn('host')];
    const all = Array.from({ length: 6 }, (_, at) => attemptOf(runId, at + 1, 'exec sleep 300'));
    const order = [3, 0, 5, 1, 4, 2];
    await Promise.allSettled(order.map((at) => start(agents[at % 2]!, all[at]!)));
    const living = await Promise.all(all.map(processesOf));
    expect(living.slice(0, -1).flat()).toEqual([]);
    expect(living.at(-1)!.length).toBeGreaterThan(0);
    // What the attempts know of each other goes with their files.
    for (const [at, given] of all.entries()) await agents[at % 2]!.removeFiles(given.files, given.spec);
    expect(readdirSync(join(root, 'host/runs'))).toEqual([]);
  }, 60_000);
});
