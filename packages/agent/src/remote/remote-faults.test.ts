import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RunningAttempt, StartContext } from '../executor.ts';
import { listProcesses } from '../local/process-table.ts';
import { eventually } from '../testing/eventually.ts';
import { silentLog } from '../testing/silent-log.ts';
import { hasSshd, SshTestServer } from '../testing/ssh-server.ts';
import { startContext } from '../testing/start-job.ts';
import { LocalTransport } from '../transport/local-transport.ts';
import { SshTransport } from '../transport/ssh-transport.ts';
import type { RemoteCall, Transport } from '../transport/transport.ts';
import { RemoteExecutor } from './remote-executor.ts';

const never = new AbortController().signal;
let root: string;
const started: RunningAttempt[] = [];
const executors: RemoteExecutor[] = [];
const servers: SshTestServer[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'trainyard-faults-'));
  mkdirSync(join(root, 'code'));
});

afterEach(async () => {
  for (const attempt of started.splice(0)) {
    await attempt.cancel({ graceMs: 0 });
    await attempt.waitForExit(never);
    await attempt.cleanUp();
  }
  for (const executor of executors.splice(0)) await executor.close();
  for (const server of servers.splice(0)) await server.remove();
  rmSync(root, { recursive: true, force: true });
});

function executorOver(transport: Transport): RemoteExecutor {
  const workingDir = join(root, 'host');
  const executor = new RemoteExecutor({
    name: 'ssh:box',
    transport,
    workingDir,
    log: silentLog,
    pollMs: 200,
  });
  executors.push(executor);
  return executor;
}

async function overSsh(): Promise<{ server: SshTestServer; executor: RemoteExecutor }> {
  const server = await SshTestServer.start();
  servers.push(server);
  const target = { ...server.target, connectTimeoutMs: 3000 };
  return { server, executor: executorOver(new SshTransport(target, { key: root })) };
}

const context = (command: string, env: Record<string, string> = {}) =>
  startContext(root, command, { env, workingDir: join(root, 'code') });
const remoteDir = ({ spec }: StartContext) => join(root, 'host/attempts', spec.attemptId);
const textOf = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
const numbers = (count: number) => Array.from({ length: count }, (_, at) => `${at + 1}\n`).join('');
const COUNT = 'i=0; while [ $i -lt 40 ]; do i=$((i + 1)); echo $i; sleep 0.1; done';

async function start(executor: RemoteExecutor, given: StartContext): Promise<RunningAttempt> {
  const attempt = await executor.start(given);
  started.push(attempt);
  return attempt;
}

describe.skipIf(!hasSshd)('a link that breaks', () => {
  test('starts once though the connection is cut again and again while it is being started', async () => {
    const { server, executor } = await overSsh();
    const given = context('echo started >> "$ONCE"; sleep 1; exit 4', { ONCE: join(root, 'once') });
    let cuts = 0;
    const cutting = setInterval(() => {
      if (cuts < 6) server.cut();
      cuts += 1;
    }, 700);
    const attempt = await start(executor, given).finally(() => clearInterval(cutting));
    expect(await attempt.waitForExit(never)).toMatchObject({ kind: 'exited', exitCode: 4 });
    expect(textOf(join(root, 'once'))).toBe('started\n');
  }, 120_000);

  test('kills nothing, is told, and clears itself: not a line is missing', async () => {
    const { server, executor } = await overSsh();
    const given = context(COUNT);
    const attempt = await start(executor, given);
    const exit = attempt.waitForExit(never);
    await eventually('output', () => textOf(given.files.output).includes('3\n'));
    await server.stop();
    await eventually('the fault is told', () => attempt.unreachableSinceMs !== undefined);
    expect((await listProcesses()).some(({ attemptId }) => attemptId === given.spec.attemptId)).toBe(true);
    await server.listen();
    expect(await exit).toMatchObject({ kind: 'exited', exitCode: 0 });
    expect(attempt.unreachableSinceMs).toBeUndefined();
    expect(textOf(given.files.output)).toBe(numbers(40));
  }, 120_000);

  test('ends a program although the host was away when it was to be ended', async () => {
    const { server, executor } = await overSsh();
    const given = context('echo ready; exec sleep 60');
    const attempt = await start(executor, given);
    await server.stop();
    const cancelled = attempt.cancel({ graceMs: 1000 });
    const exit = attempt.waitForExit(never);
    await eventually('the fault is told', () => attempt.unreachableSinceMs !== undefined);
    await server.listen();
    expect(await cancelled).toBe(true);
    expect(await exit).toMatchObject({ exitCode: 143 });
  }, 120_000);

  test('says that a host cannot be reached instead of starting for ever', async () => {
    const { server } = await overSsh();
    await server.stop();
    const transport = new SshTransport(server.target, { key: `${root} gone` });
    const executor = new RemoteExecutor({ name: 'ssh:box', transport, log: silentLog, startLimitMs: 500 });
    executors.push(executor);
    await expect(executor.start(context('true'))).rejects.toMatchObject({
      runError: { code: 'host_unreachable' },
    });
  });

  test('says at once that a host shows another key', async () => {
    const { server, executor } = await overSsh();
    await server.stop();
    server.newHostKey();
    await server.listen();
    await expect(executor.start(context('true'))).rejects.toMatchObject({
      runError: { code: 'host_refused' },
    });
  });

  test('runs 30 jobs at once over one connection', async () => {
    const { server, executor } = await overSsh();
    const contexts = Array.from({ length: 30 }, (_, at) => context(`echo ${at}; exit ${at}`));
    const exits = await Promise.all(
      contexts.map(async (given) => (await start(executor, given)).waitForExit(never)),
    );
    expect(exits.map((exit) => exit.kind === 'exited' && exit.exitCode)).toEqual([...contexts.keys()]);
    expect(contexts.map(({ files }) => textOf(files.output))).toEqual(contexts.map((_, at) => `${at}\n`));
    expect(server.sessions().length).toBeLessThanOrEqual(2);
    started.length = 0;
  }, 240_000);
});

describe('a start that goes wrong', () => {
  test('a cancel that comes first prevents a start that arrives late', async () => {
    const executor = executorOver(new LocalTransport());
    const given = context('echo started');
    mkdirSync(remoteDir(given), { recursive: true });
    writeFileSync(
      join(given.files.dir, 'remote.json'),
      JSON.stringify({ base: join(root, 'host'), workingDir: root }),
    );
    // As after a launch of which nothing is known.
    mkdirSync(join(remoteDir(given), 'pid.lock'));
    const attempt = (await executor.adopt(given.files, given.spec))!;
    rmSync(join(remoteDir(given), 'pid.lock'), { recursive: true });
    expect(await attempt.cancel({ graceMs: 1000 })).toBe(true);
    expect(await attempt.waitForExit(never)).toMatchObject({ error: { code: 'cancelled_before_start' } });
    const late = await executor.start(given);
    expect(await late.waitForExit(never)).toMatchObject({ kind: 'vanished' });
    expect(textOf(join(remoteDir(given), 'output.log'))).toBe('');
  });

  test('a host that was restarted meanwhile has lost the job, and no process gets a signal', async () => {
    const executor = executorOver(new LocalTransport());
    const saved = '{"path":"step-1"}';
    const given = context('echo "$SAVED" > "$TRAINYARD_ATTEMPT_DIR/checkpoints.jsonl"; exec sleep 60', {
      SAVED: saved,
    });
    const attempt = await start(executor, given);
    await eventually('it saved', () => textOf(join(remoteDir(given), 'checkpoints.jsonl')) !== '');
    const pidFile = join(remoteDir(given), 'pid');
    const line = readFileSync(pidFile, 'utf8');
    writeFileSync(pidFile, line.replace(/^\S+/, 'another-boot'));
    expect(await attempt.waitForExit(never)).toMatchObject({ error: { code: 'machine_restarted' } });
    // What it has saved is known all the same.
    expect(textOf(given.files.checkpoints)).toBe(`${saved}\n`);
    await attempt.cancel({ graceMs: 0 });
    expect(await attempt.cleanUp()).toBeUndefined();
    expect((await listProcesses()).some(({ attemptId }) => attemptId === given.spec.attemptId)).toBe(true);
    writeFileSync(pidFile, line);
  });

  test('a conda environment that does not exist is named, and one that does is active', async () => {
    const bin = join(root, 'bin');
    mkdirSync(bin);
    const conda =
      '#!/bin/sh\n[ "$3" = verl ] || { echo "no environment $3" >&2; exit 1; }\necho "export CONDA_DEFAULT_ENV=$3"\n';
    writeFileSync(join(bin, 'conda'), conda, { mode: 0o755 });
    const executor = executorOver(
      new LocalTransport({ env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` } }),
    );
    const given = context('echo "in $CONDA_DEFAULT_ENV"');
    const within = (condaEnv: string) => ({ ...given, spec: { ...given.spec, remote: { condaEnv } } });
    await expect(executor.start(within('other'))).rejects.toMatchObject({
      runError: { code: 'conda_env_missing' },
    });
    const attempt = await start(executor, within('verl'));
    await attempt.waitForExit(never);
    expect(textOf(given.files.output)).toBe('in verl\n');
  });
});

describe('what is read from a host', () => {
  /** A program that does nothing while the test plays with its files. */
  async function playground() {
    const sizes: number[] = [];
    const inner = new LocalTransport();
    const counting: Transport = {
      name: 'counting',
      run: async (call: RemoteCall) => {
        const result = await inner.run(call);
        if (call.script.includes('piece ')) sizes.push(result.stdout.length);
        return result;
      },
      close: () => inner.close(),
    };
    const executor = executorOver(counting);
    const given = context('while [ ! -e "$GO" ]; do sleep 0.05; done', { GO: join(root, 'go') });
    const attempt = await start(executor, given);
    const exit = attempt.waitForExit(never);
    const metrics = join(remoteDir(given), 'metrics', `${given.spec.runId}_metrics.jsonl`);
    const has = (text: string) => eventually(text, () => textOf(given.files.metrics) === text);
    const end = () => {
      writeFileSync(join(root, 'go'), '');
      return exit;
    };
    return { given, metrics, has, end, sizes };
  }

  test('a file that is absent at first, has half a line, is truncated and is rotated', async () => {
    const { metrics, has, end } = await playground();
    writeFileSync(metrics, '{"step":0}\n{"st');
    await has('{"step":0}\n{"st');
    appendFileSync(metrics, 'ep":1}\n');
    await has('{"step":0}\n{"step":1}\n');
    truncateSync(metrics, 0);
    appendFileSync(metrics, '{"step":2}\n');
    await has('{"step":0}\n{"step":1}\n{"step":2}\n');
    // The last line of the old file comes in between two looks.
    appendFileSync(metrics, '{"step":3}\n');
    renameSync(metrics, `${metrics}.1`);
    writeFileSync(metrics, '{"step":4}\n');
    await has('{"step":0}\n{"step":1}\n{"step":2}\n{"step":3}\n{"step":4}\n');
    await end();
  });

  test('a file of a gigabyte is gone on with where it was left, and a look costs what is new', async () => {
    const { given, metrics, end } = await playground();
    writeFileSync(metrics, 'first\n');
    await eventually('the first line', () => textOf(given.files.metrics) === 'first\n');
    await end();
    // As if a gigabyte had come, and been received, before this agent.
    const size = 2 ** 30;
    truncateSync(metrics, size);
    truncateSync(given.files.metrics, size);
    rmSync(given.files.exit);
    appendFileSync(metrics, 'the end\n');
    started.length = 0;
    const later = executorOver(new LocalTransport());
    const before = performance.now();
    const adopted = (await later.adopt(given.files, given.spec))!;
    expect(await adopted.waitForExit(never)).toMatchObject({ exitCode: 0 });
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(statSync(given.files.metrics).size).toBe(size + 8);
  });

  test('that the kernel has ended a process for lack of memory, where its cgroup counts that', async () => {
    const executor = executorOver(new LocalTransport());
    for (const [at, count] of [undefined, '0', '2'].entries()) {
      const given = context(`while [ ! -e "$GO" ]; do sleep 0.05; done; kill -KILL $$`, {
        GO: join(root, `go-${at}`),
      });
      const attempt = await start(executor, given);
      // In the place of a cgroup with a memory controller, which not every machine gives.
      const cgroup = join(root, `cgroup-${at}`);
      mkdirSync(cgroup);
      if (count !== undefined)
        writeFileSync(join(cgroup, 'memory.events'), `oom 3\noom_kill ${count}\noom_group_kill 0\n`);
      const file = join(remoteDir(given), 'cgroup');
      const own = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
      writeFileSync(file, `${cgroup}\n`);
      writeFileSync(join(root, `go-${at}`), '');
      expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 137 });
      if (own === undefined) rmSync(file);
      else writeFileSync(file, own);
      expect(await attempt.cleanUp()).toBeUndefined();
      expect(attempt.ranOutOfMemory?.()).toBe(count === undefined ? undefined : count !== '0');
    }
  });

  test('a large output comes in bounded parts', async () => {
    const { given, end, sizes } = await playground();
    const output = join(remoteDir(given), 'output.log');
    appendFileSync(output, Buffer.alloc(20 * 1024 * 1024, 'x'));
    await eventually(
      'all of it',
      () => existsSync(given.files.output) && statSync(given.files.output).size === 20 * 1024 * 1024,
    );
    await end();
    expect(Math.max(...sizes)).toBeLessThan(5 * 1024 * 1024);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(21 * 1024 * 1024);
  });
});
