import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ExitResult, RunningAttempt, StartContext } from '../executor.ts';
import { eventually } from '../testing/eventually.ts';
import { startContext } from '../testing/start-job.ts';
import { localExecutor } from './local-executor.ts';
import { isAlive, readIdentityFile, readProcess } from './process-identity.ts';
import { listProcesses } from './process-table.ts';
import { SUPERVISOR_SCRIPT } from './supervisor-script.ts';

// What every executor must do is in local-executor-conformance.test.ts; here is what only this one can show.
let root: string;
const started: RunningAttempt[] = [];
const never = new AbortController().signal;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'trainyard-executor-'));
});

afterEach(async () => {
  for (const attempt of started.splice(0)) {
    await attempt.cancel({ graceMs: 0 });
    await attempt.waitForExit(never);
    await attempt.cleanUp();
  }
  rmSync(root, { recursive: true, force: true });
});

async function start(context: StartContext): Promise<RunningAttempt> {
  const attempt = await localExecutor.start(context);
  started.push(attempt);
  return attempt;
}

async function run(command: string | string[]): Promise<{ exit: ExitResult; output: string }> {
  const context = startContext(root, command);
  const exit = await (await start(context)).waitForExit(never);
  return { exit, output: readFileSync(context.files.output, 'utf8') };
}

async function processesOf(context: StartContext): Promise<number[]> {
  const all = await listProcesses();
  return all.filter(({ attemptId }) => attemptId === context.spec.attemptId).map(({ pid }) => pid);
}

describe('start', () => {
  test('records that a program does not exist or cannot be executed (10)', async () => {
    writeFileSync(join(root, 'plain.txt'), 'text');
    chmodSync(join(root, 'plain.txt'), 0o644);
    expect((await run(['no-such-program-anywhere'])).exit).toMatchObject({ exitCode: 127 });
    const plain = await run([join(root, 'plain.txt')]);
    expect(plain.exit).toMatchObject({ exitCode: 126 });
    expect(plain.output).toContain('plain.txt');
  });

  test('executes a list as it is and a string by sh', async () => {
    const words = await run(['printf', '%s|', 'a b', '$HOME', '', "it's", 'ü\n']);
    expect(words.output).toBe("a b|$HOME||it's|ü\n|");
    expect((await run('printf "%s|" "a  b" $((1 + 2))')).output).toBe('a  b|3|');
  });

  test('writes the identity of the program, leader of a session of its own, before it starts', async () => {
    const context = startContext(root, 'cat "$TRAINYARD_ATTEMPT_DIR/pid"; echo $$; exec sleep 30');
    const attempt = await start(context);
    const identity = readIdentityFile(context.files.pid);
    expect(identity?.pid).toBe(attempt.pid);
    expect(isAlive(identity!)).toBe(true);
    expect(attempt.alive()).toBe(true);
    expect(readProcess(identity!.pid)?.sessionId).toBe(identity!.pid);
    const lines = () =>
      existsSync(context.files.output) && readFileSync(context.files.output, 'utf8').split('\n');
    await eventually('two lines of output', () => (lines() || []).length === 3);
    expect(readFileSync(context.files.output, 'utf8')).toBe(
      `${identity!.bootId} ${identity!.pid} ${identity!.startTime}\n${identity!.pid}\n`,
    );
    const supervisor = readIdentityFile(`${context.files.pid}.lock/supervisor`);
    expect(readProcess(supervisor!.pid)?.sessionId).toBe(supervisor!.pid);
  });

  test('lets the program receive INT, although it was started by a shell', async () => {
    const program =
      'process.on("SIGINT", () => process.exit(9)); process.kill(process.pid, "SIGINT"); setTimeout(() => {}, 9999)';
    expect((await run([process.execPath, '-e', program])).exit).toMatchObject({ exitCode: 9 });
    expect((await run('kill -INT $$; exit 0')).exit).toMatchObject({ exitCode: 130 });
  });

  test('starts once when several supervisors are launched at the same time', async () => {
    const context = startContext(root, 'echo started >> "$TRAINYARD_ATTEMPT_DIR/count"; sleep 0.2; exit 4');
    const attempts = await Promise.all([start(context), start(context), start(context), start(context)]);
    const exits = await Promise.all(attempts.map((attempt) => attempt.waitForExit(never)));
    expect(exits.map((exit) => exit.kind === 'exited' && exit.exitCode)).toEqual([4, 4, 4, 4]);
    expect(readFileSync(join(context.files.dir, 'count'), 'utf8')).toBe('started\n');
  });

  test('refuses a working directory that is missing or a file, naming it', async () => {
    const missing = startContext(root, 'true', { workingDir: join(root, 'nowhere') });
    await expect(localExecutor.start(missing)).rejects.toMatchObject({
      runError: { code: 'working_dir_missing', message: expect.stringContaining(join(root, 'nowhere')) },
    });
    writeFileSync(join(root, 'file'), '');
    const file = startContext(root, 'true', { workingDir: join(root, 'file') });
    await expect(localExecutor.start(file)).rejects.toMatchObject({
      runError: { code: 'working_dir_missing' },
    });
  });

  test('works with a PATH of the job that has no tools', async () => {
    const context = startContext(root, ['/bin/sh', '-c', 'echo "$PATH"'], { env: { PATH: '/nowhere' } });
    expect(await (await start(context)).waitForExit(never)).toMatchObject({ exitCode: 0 });
    expect(readFileSync(context.files.output, 'utf8')).toBe('/nowhere\n');
  });

  test('resolves node to the Node that runs the agent', async () => {
    expect((await run('node -p process.execPath')).output.trim()).toBe(process.execPath);
  });
});

describe('supervisor', () => {
  test.each(['perl', 'python3'])('makes the second session with %s where setsid is missing', (helper) => {
    const bin = join(root, 'bin');
    const context = startContext(root, '');
    const script = 'for tool in sh mkdir mv date sleep; do ln -s "$(command -v $tool)" "$0/$tool"; done';
    spawnSync('sh', ['-c', `mkdir "$0"; ${script}`, bin]);
    const real = spawnSync('sh', [
      '-c',
      `${helper === 'perl' ? 'command -v perl' : 'python3 -c "import sys; print(sys.executable)"'}`,
    ]);
    symlinkSync(real.stdout.toString().trim(), join(bin, helper));
    const { pid, exit, output } = context.files;
    const command = ['sh', '-c', 'read -r line < /proc/$$/stat; set -- $line; [ "$6" = $$ ] && exit 5'];
    spawnSync(
      '/bin/sh',
      ['-c', SUPERVISOR_SCRIPT, 'supervisor', pid, exit, output, 'att_x', bin, ...command],
      {
        env: { PATH: bin },
      },
    );
    expect(readFileSync(output, 'utf8')).toBe('');
    expect(JSON.parse(readFileSync(exit, 'utf8'))).toMatchObject({ exitCode: 5 });
  });

  test('survives a signal to its group and records the end', async () => {
    const context = startContext(root, 'sleep 0.3; exit 6');
    const attempt = await start(context);
    const supervisor = readIdentityFile(`${context.files.pid}.lock/supervisor`)!;
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(-supervisor.pid, signal);
    expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 6 });
  });

  test('is not marked, so that the sweep spares it, while its program is', async () => {
    const context = startContext(root, 'exec sleep 30');
    const attempt = await start(context);
    await eventually(
      'the program has replaced its shell',
      async () => (await processesOf(context)).length > 0,
    );
    expect(await processesOf(context)).toEqual([attempt.pid]);
  });

  test('ends also when the attempt directory is removed under it', async () => {
    const context = startContext(root, 'exec sleep 60');
    await localExecutor.start(context);
    const { pid } = readIdentityFile(context.files.pid)!;
    const supervisor = readIdentityFile(`${context.files.pid}.lock/supervisor`)!;
    rmSync(context.files.dir, { recursive: true });
    process.kill(pid, 'SIGKILL');
    await eventually('end of the supervisor', () => !isAlive(supervisor));
  });
});

describe('waitForExit', () => {
  test('does not wait for a background child that holds the output open (8)', async () => {
    const context = startContext(root, 'sleep 60 & echo done');
    const attempt = await start(context);
    const before = performance.now();
    expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 0 });
    expect(performance.now() - before).toBeLessThan(5000);
    expect(await attempt.cleanUp()).toBeUndefined();
    expect(await processesOf(context)).toEqual([]);
  });

  test('finds that the supervisor was killed before it started the program', async () => {
    const context = startContext(root, 'true');
    const supervisor = startContext(root, 'true');
    await (await start(supervisor)).waitForExit(never);
    spawnSync('mkdir', [`${context.files.pid}.lock`]);
    const gone = readFileSync(supervisor.files.pid, 'utf8');
    writeFileSync(`${context.files.pid}.lock/supervisor`, gone);
    const attempt = await localExecutor.adopt(context.files, context.spec);
    expect(await attempt?.waitForExit(never)).toMatchObject({
      kind: 'vanished',
      error: { code: 'process_vanished' },
    });
  });

  test('takes a zombie for dead (16)', async () => {
    // A parent that never waits keeps its dead child as a zombie.
    const parent = startContext(root, [
      'perl',
      '-e',
      'my $pid = fork(); exit 0 if !$pid; open F, ">zombie"; print F $pid; close F; sleep 60',
    ]);
    await start(parent);
    const pid = await eventually(
      'a zombie',
      // Empty between its opening and its first write.
      () =>
        (existsSync(join(root, 'zombie')) && Number(readFileSync(join(root, 'zombie'), 'utf8'))) || undefined,
    );
    await eventually('state Z', () => readProcess(pid)?.state === 'Z');
    const { startTime } = readProcess(pid)!;
    const { bootId } = readIdentityFile(parent.files.pid)!;
    expect(isAlive({ bootId, pid, startTime })).toBe(false);
  });
});

describe('adopt', () => {
  test('sends no signal to a pid of another boot or of another process (14, 15)', async () => {
    const bystander = startContext(root, 'exec sleep 60');
    const other = await start(bystander);
    const { bootId, pid, startTime } = readIdentityFile(bystander.files.pid)!;
    for (const line of [`another-boot ${pid} ${startTime}\n`, `${bootId} ${pid} 1\n`]) {
      const context = startContext(root, 'true');
      spawnSync('mkdir', [`${context.files.pid}.lock`]);
      writeFileSync(context.files.pid, line);
      writeFileSync(`${context.files.pid}.lock/supervisor`, line);
      const adopted = (await localExecutor.adopt(context.files, context.spec))!;
      expect(adopted.alive()).toBe(false);
      const code = line.startsWith('another') ? 'machine_restarted' : 'process_vanished';
      expect(await adopted.waitForExit(never)).toMatchObject({ kind: 'vanished', error: { code } });
      await adopted.cancel({ graceMs: 100 });
      expect(await adopted.cleanUp()).toBeUndefined();
    }
    expect(other.alive()).toBe(true);
  });
});

describe('cancel', () => {
  test('lets a polite program end by itself', async () => {
    const context = startContext(
      root,
      'trap "echo bye; exit 7" TERM; echo ready; while :; do sleep 0.05; done',
    );
    const attempt = await start(context);
    await eventually(
      'ready',
      () => existsSync(context.files.output) && readFileSync(context.files.output, 'utf8').includes('ready'),
    );
    expect(await attempt.cancel({ graceMs: 10_000 })).toBe(true);
    expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 7 });
    expect(readFileSync(context.files.output, 'utf8')).toMatch(/bye\n$/);
  });

  test('kills a program that ignores INT and TERM after the grace time (1)', async () => {
    const context = startContext(root, 'trap "" INT TERM; echo ready; while :; do sleep 0.05; done');
    const attempt = await start(context);
    await eventually(
      'ready',
      () => existsSync(context.files.output) && readFileSync(context.files.output, 'utf8').includes('ready'),
    );
    const before = performance.now();
    await attempt.cancel({ graceMs: 500 });
    expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 137 });
    const tookMs = performance.now() - before;
    expect(tookMs).toBeGreaterThanOrEqual(500);
    expect(tookMs).toBeLessThan(2500);
    expect(await attempt.cleanUp()).toBeUndefined();
    expect(await processesOf(context)).toEqual([]);
  });

  test('ends a stopped program (3)', async () => {
    const attempt = await start(startContext(root, 'exec sleep 60'));
    process.kill(-attempt.pid!, 'SIGSTOP');
    await attempt.cancel({ graceMs: 10_000 });
    expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 143 });
  });

  test('sweeps what left the session: setsid children, daemons and their children (2)', async () => {
    const program = `
      setsid sh -c 'trap "" TERM; sleep 60 & sleep 61' &
      ( ( setsid sh -c 'trap "" TERM HUP; while :; do sleep 60; done' & ) & )
      sleep 62 &
      echo ready; wait`;
    const context = startContext(root, program);
    const attempt = await start(context);
    await eventually('all processes', async () => (await processesOf(context)).length >= 6);
    await attempt.cancel({ graceMs: 300 });
    await attempt.waitForExit(never);
    expect(await attempt.cleanUp()).toBeUndefined();
    expect(await processesOf(context)).toEqual([]);
  });
});
