import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttemptSpec } from '@trainyard/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Executor, ExitResult, RunningAttempt, StartContext } from '../executor.ts';
import { listProcesses } from '../local/process-table.ts';
import { eventually } from './eventually.ts';
import { startContext } from './start-job.ts';

/** One executor as the suite needs it. Its programs must run on this machine, so that they can be looked for. */
export interface ExecutorUnderTest {
  /** A new one, as another agent would have it. */
  open(): Executor;
  close(): Promise<void>;
  /** A batch system gives GPUs, not the agent. */
  readonly givesGpus?: boolean;
}

const never = new AbortController().signal;

/**
 * What every executor must do.
 * @param extent `quick` leaves out what another executor over the same parts is tested for
 */
export function testExecutor(
  name: string,
  prepare: () => Promise<ExecutorUnderTest>,
  extent: 'whole' | 'quick' = 'whole',
): void {
  const testMore = extent === 'whole' ? test : leftOut;
  let under: ExecutorUnderTest;
  let executor: Executor;
  let root: string;
  const started: RunningAttempt[] = [];

  beforeAll(async () => {
    under = await prepare();
    executor = under.open();
  });
  afterAll(async () => {
    await executor?.close?.();
    await under?.close();
  });
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'trainyard-conformance-'));
    mkdirSync(join(root, 'code'));
  });
  afterEach(async () => {
    for (const attempt of started.splice(0)) {
      await attempt.cancel({ graceMs: 0 });
      await attempt.waitForExit(never);
      await attempt.cleanUp();
    }
    rmSync(root, { recursive: true, force: true });
  });

  function context(command: AttemptSpec['command'], env: Record<string, string> = {}): StartContext {
    return startContext(root, command, { env, workingDir: join(root, 'code') });
  }
  async function start(given: StartContext): Promise<RunningAttempt> {
    const attempt = await executor.start(given);
    started.push(attempt);
    return attempt;
  }
  async function finish(attempt: RunningAttempt): Promise<ExitResult> {
    const exit = await attempt.waitForExit(never);
    expect(await attempt.cleanUp()).toBeUndefined();
    return exit;
  }
  async function run(command: AttemptSpec['command'], env: Record<string, string> = {}) {
    const given = context(command, env);
    const exit = await finish(await start(given));
    return { exit, output: textOf(given.files.output), files: given.files };
  }
  /** Follows the program, so that what it writes is brought here, until `text` has come. */
  async function untilOutput(given: StartContext, attempt: RunningAttempt, text: string) {
    const stop = new AbortController();
    const following = attempt.waitForExit(stop.signal).catch(() => undefined);
    await eventually(`output ${text}`, () => textOf(given.files.output).includes(text));
    stop.abort();
    await following;
  }

  describe(`${name}: start`, () => {
    testMore.each([
      ['exit 0', 0],
      ['exit 7', 7],
      ['kill -TERM $$', 143],
      ['kill -KILL $$', 137],
      ['exit 255', 255],
      ['no-such-program-anywhere', 127],
    ])('records the exit code of %s', async (command, exitCode) => {
      expect((await run(command)).exit).toMatchObject({ kind: 'exited', exitCode });
    });

    testMore('records that a program does not exist or cannot be executed', async () => {
      expect((await run(['no-such-program-anywhere'])).exit).toMatchObject({ exitCode: 127 });
      writeFileSync(join(root, 'code', 'plain.txt'), 'text', { mode: 0o644 });
      const plain = await run(['./plain.txt']);
      expect(plain.exit).toMatchObject({ exitCode: 126 });
      expect(plain.output).toContain('plain.txt');
    });

    testMore('says when the program ended', async () => {
      const before = Date.now();
      const { exit } = await run('exit 0');
      expect(exit).toMatchObject({ kind: 'exited' });
      const endedAtMs = exit.kind === 'exited' ? exit.endedAtMs : 0;
      expect(endedAtMs).toBeGreaterThan(before - 1500);
      expect(endedAtMs).toBeLessThanOrEqual(Date.now() + 1500);
    });

    testMore(
      'executes a list as it is and a string by sh, and keeps output and errors in order',
      async () => {
        const words = await run(['printf', '%s|', 'a b', '$HOME', '', "it's", 'ü\n']);
        expect(words.output).toBe("a b|$HOME||it's|ü\n|");
        expect((await run('echo one; echo two >&2; echo three')).output).toBe('one\ntwo\nthree\n');
      },
    );

    test('gives the environment, whatever is in it, and what is promised to jobs', async () => {
      const odd = 'a "b" \'c\' $HOME `id` \\ !\nsecond line\n';
      const given = context(
        'printf "%s|" "$ODD" "$TRAINYARD_RUN_ID" "$TRAINYARD_STAGE" "$TRAINYARD_ATTEMPT_ID"',
        {
          ODD: odd,
        },
      );
      await finish(await start(given));
      const { runId, attemptId } = given.spec;
      expect(textOf(given.files.output)).toBe(`${odd}|${runId}|train|${attemptId}|`);
    });

    testMore(
      'hands params on as a file, and the GPUs of the agent where no batch system gives them',
      async () => {
        const given = context('cat "$TRAINYARD_PARAMS"; echo "|$CUDA_VISIBLE_DEVICES"');
        const params = { lr: 0.1, text: "it's" };
        writeFileSync(given.files.params, JSON.stringify(params));
        const gpuIds = ['3', 'GPU-x'];
        const env = { ...given.env, CUDA_VISIBLE_DEVICES: gpuIds.join(',') };
        await finish(await start({ ...given, env, gpuIds, spec: { ...given.spec, params } }));
        const gpus = under.givesGpus === true ? '' : gpuIds.join(',');
        expect(textOf(given.files.output)).toBe(`${JSON.stringify(params)}|${gpus}\n`);
      },
    );

    testMore('shows no value of the environment in an argument list or a file', async () => {
      const secret = 'do-not-show-me-4711';
      const given = context('echo started; exec sleep 30', { TOKEN: secret });
      const seen: string[] = [];
      const watch = setInterval(() => seen.push(argumentsOfAll()), 20);
      const attempt = await start(given);
      clearInterval(watch);
      await untilOutput(given, attempt, 'started');
      seen.push(argumentsOfAll());
      expect(seen.join('\n')).not.toContain(secret);
      expect(textsBelow(given.files.dir)).not.toContain(secret);
    });

    testMore('starts in the working directory with the files that are there', async () => {
      writeFileSync(join(root, 'code', 'train.sh'), 'echo trained\n');
      expect((await run('sh train.sh')).output).toBe('trained\n');
    });

    testMore('refuses a working directory that is missing, naming it', async () => {
      const given = startContext(root, 'true', { workingDir: join(root, 'nowhere') });
      await expect(executor.start(given)).rejects.toMatchObject({
        runError: { code: 'working_dir_missing', message: expect.stringContaining('nowhere') },
      });
    });

    testMore('says why a program cannot be started at all', async () => {
      await expect(executor.start(context(['echo', 'a\0b']))).rejects.toMatchObject({
        runError: { code: 'start_failed' },
      });
    });

    testMore('starts once, however often it is asked to', async () => {
      const given = context('echo started >> "$COUNT"; sleep 0.3; exit 4', { COUNT: join(root, 'count') });
      const attempts = await Promise.all([start(given), start(given), start(given), start(given)]);
      const [first] = attempts;
      expect(await finish(first!)).toMatchObject({ exitCode: 4 });
      expect(textOf(join(root, 'count'))).toBe('started\n');
    });
  });

  describe(`${name}: what the program leaves`, () => {
    test('brings metrics and status while it runs', async () => {
      const given = context(`
        printf '{"step":0,"loss":1}\\n' >> "$PLATFORM_METRICS_DIR/\${TRAINYARD_RUN_ID}_metrics.jsonl"
        echo '{"current_step":0}' > "$PLATFORM_METRICS_DIR/\${TRAINYARD_RUN_ID}_status.json"
        while [ ! -e go ]; do sleep 0.05; done`);
      const attempt = await start(given);
      const stop = new AbortController();
      const following = attempt.waitForExit(stop.signal).catch(() => undefined);
      await eventually('metrics', () => textOf(given.files.metrics) === '{"step":0,"loss":1}\n');
      await eventually('status', () => textOf(given.files.status) === '{"current_step":0}\n');
      stop.abort();
      await following;
    });

    testMore('brings outputs, datasets and checkpoints at its end', async () => {
      const { files } = await run(`
        echo '{"accuracy":0.9}' > "$TRAINYARD_OUTPUTS"
        echo '{"name":"d","path":"d.csv"}' > "$TRAINYARD_ATTEMPT_DIR/datasets.jsonl"
        echo '{"path":"c"}' > "$TRAINYARD_ATTEMPT_DIR/checkpoints.jsonl"`);
      expect(textOf(files.outputs)).toBe('{"accuracy":0.9}\n');
      expect(textOf(files.datasets)).toBe('{"name":"d","path":"d.csv"}\n');
      expect(textOf(files.checkpoints)).toBe('{"path":"c"}\n');
    });

    testMore('brings the whole output, also when it is large and has no last line break', async () => {
      const { output } = await run(
        `i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); echo "line $i"; done; printf end`,
      );
      const lines = output.split('\n');
      expect(lines.length).toBe(200_001);
      expect(lines[199_999]).toBe('line 200000');
      expect(lines.at(-1)).toBe('end');
    });

    testMore('does not wait for a background child that holds the output open', async () => {
      const before = performance.now();
      const { exit, output } = await run('sleep 60 & echo done');
      expect(exit).toMatchObject({ exitCode: 0 });
      expect(output).toBe('done\n');
      expect(performance.now() - before).toBeLessThan(20_000);
    });
  });

  describe(`${name}: end`, () => {
    test('lets a polite program end by itself', async () => {
      const given = context('trap "echo bye; exit 7" TERM; echo ready; while :; do sleep 0.05; done');
      const attempt = await start(given);
      await untilOutput(given, attempt, 'ready');
      expect(await attempt.cancel({ graceMs: 20_000 })).toBe(true);
      expect(await finish(attempt)).toMatchObject({ exitCode: 7 });
      expect(textOf(given.files.output)).toMatch(/bye\n$/);
    });

    testMore('kills a program that ignores INT and TERM after the grace time', async () => {
      const given = context('trap "" INT TERM; echo ready; while :; do sleep 0.05; done');
      const attempt = await start(given);
      await untilOutput(given, attempt, 'ready');
      const before = performance.now();
      await attempt.cancel({ graceMs: 1000 });
      expect(await finish(attempt)).toMatchObject({ exitCode: 137 });
      expect(performance.now() - before).toBeGreaterThanOrEqual(1000);
      expect(await processesOf(given)).toEqual([]);
    });

    testMore('sweeps what left the session: setsid children, daemons and their children', async () => {
      const given = context(`
        setsid sh -c 'trap "" TERM; sleep 60 & sleep 61' &
        ( ( setsid sh -c 'trap "" TERM HUP; while :; do sleep 60; done' & ) & )
        sleep 62 &
        echo ready; wait`);
      const attempt = await start(given);
      await eventually('all processes', async () => (await processesOf(given)).length >= 6);
      await attempt.cancel({ graceMs: 300 });
      await finish(attempt);
      expect(await processesOf(given)).toEqual([]);
    });

    testMore('ends a stopped program', async () => {
      const given = context('echo ready; exec sleep 60');
      const attempt = await start(given);
      await untilOutput(given, attempt, 'ready');
      process.kill(-(await pidOf(given)), 'SIGSTOP');
      await attempt.cancel({ graceMs: 20_000 });
      expect(await finish(attempt)).toMatchObject({ exitCode: 143 });
    });

    test('freezes all processes and lets them go on', async () => {
      const given = context(
        `
        setsid sh -c 'while :; do echo x >> "$DIR/escaped"; sleep 0.05; done' &
        echo ready; while :; do echo x >> "$DIR/counted"; sleep 0.05; done`,
        { DIR: root },
      );
      const escaped = join(root, 'escaped');
      const attempt = await start(given);
      await untilOutput(given, attempt, 'ready');
      await eventually('both at work', () => textOf(escaped) !== '' && textOf(join(root, 'counted')) !== '');
      expect(await attempt.freeze?.(true)).toBe(true);
      const written = () => textOf(escaped).length + textOf(join(root, 'counted')).length;
      const frozen = written();
      // While another job runs from its start to its end, these do nothing.
      expect((await run('sleep 0.3')).exit).toMatchObject({ exitCode: 0 });
      expect(written()).toBe(frozen);
      expect(attempt.alive()).toBe(true);
      expect(await attempt.freeze?.(false)).toBe(true);
      await eventually('both go on', () => written() > frozen + 10);
      expect(await attempt.freeze?.(true)).toBe(true);
      expect(await attempt.cancel({ graceMs: 500 })).toBe(true);
      await finish(attempt);
      expect(await processesOf(given)).toEqual([]);
    });

    testMore('finds that program and supervisor were killed', async () => {
      const given = context('exec sleep 60');
      const attempt = await start(given);
      const program = await pidOf(given);
      process.kill(parentOf(program), 'SIGKILL');
      process.kill(program, 'SIGKILL');
      expect(await attempt.waitForExit(never)).toMatchObject({
        kind: 'vanished',
        error: { code: 'process_vanished' },
      });
    });

    testMore('does not start what is not wanted any more', async () => {
      const stop = new AbortController();
      stop.abort(new Error('cancelled'));
      const given = context('echo started');
      await expect(executor.start({ ...given, signal: stop.signal })).rejects.toThrow();
      expect(await processesOf(given)).toEqual([]);
      expect(textOf(given.files.output)).toBe('');
    });
  });

  describe(`${name}: adopt`, () => {
    test('goes on with a program that an earlier agent started, without a gap or a repeat', async () => {
      const given = context(
        'i=0; while [ ! -e go ] && [ $i -lt 600 ]; do i=$((i + 1)); echo $i; sleep 0.05; done; exit 5',
      );
      const first = under.open();
      await untilOutput(given, await first.start(given), '3\n');
      await first.close?.();
      const second = under.open();
      const adopted = await second.adopt(given.files, given.spec);
      started.push(adopted!);
      const stop = new AbortController();
      const following = adopted!.waitForExit(stop.signal).catch(() => undefined);
      await eventually('more output', () => textOf(given.files.output).includes('\n40\n'));
      stop.abort();
      await following;
      const lines = textOf(given.files.output).trimEnd().split('\n');
      expect(lines).toEqual(lines.map((_, index) => String(index + 1)));
      expect(adopted!.alive()).toBe(true);
      await adopted!.cancel({ graceMs: 0 });
      expect(await finish(adopted!)).toMatchObject({ exitCode: 137 });
      started.length = 0;
      await second.close?.();
    });

    testMore('reads the end of a program that ended meanwhile', async () => {
      const given = context('echo end; exit 5');
      const first = under.open();
      await first.start(given);
      await first.close?.();
      const adopted = await executor.adopt(given.files, given.spec);
      expect(await finish(adopted!)).toMatchObject({ kind: 'exited', exitCode: 5 });
      expect(textOf(given.files.output)).toBe('end\n');
      expect(await adopted?.cancel({ graceMs: 1000 })).toBe(false);
    });

    testMore('gives nothing when the program was never started', async () => {
      const given = context('true');
      expect(await executor.adopt(given.files, given.spec)).toBeUndefined();
    });
  });
}

/** Registers nothing. */
const leftOut = Object.assign(() => undefined, { each: () => () => undefined }) as unknown as typeof test;

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

async function processesOf({ spec }: StartContext): Promise<number[]> {
  const all = await listProcesses();
  return all.filter(({ attemptId }) => attemptId === spec.attemptId).map(({ pid }) => pid);
}

/** Pid of the program: of its processes the one that leads a session. */
async function pidOf(given: StartContext): Promise<number> {
  return eventually('the program', async () => {
    const all = await listProcesses();
    return all.find(
      ({ attemptId, pid, sessionId }) => attemptId === given.spec.attemptId && pid === sessionId,
    )?.pid;
  });
}

function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[1]);
}

function argumentsOfAll(): string {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      } catch {
        return '';
      }
    })
    .join('\n');
}

function textsBelow(dir: string): string {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    .join('\n');
}
