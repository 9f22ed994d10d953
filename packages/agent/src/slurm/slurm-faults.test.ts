import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttemptSpec } from '@trainyard/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ExitResult, RunningAttempt, StartContext } from '../executor.ts';
import { listProcesses } from '../process-table.ts';
import { eventually } from '../testing/eventually.ts';
import { silentLog } from '../testing/silent-log.ts';
import { SlurmTestCluster, whyNoSlurm } from '../testing/slurm-cluster.ts';
import { startContext } from '../testing/start-job.ts';
import { LocalTransport } from '../transport/local-transport.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import { slurmExecutor } from './slurm-executor.ts';
import { SUBMIT_SCRIPT } from './slurm-scripts.ts';
import { type SlurmSettings, slurmSettings } from './slurm-settings.ts';

const never = new AbortController().signal;

describe.skipIf(whyNoSlurm !== undefined)(`Slurm goes wrong (${whyNoSlurm ?? 'scenarios 42 and 43'})`, () => {
  let cluster: SlurmTestCluster;
  let root: string;
  const opened: { close?(): Promise<void> }[] = [];
  const started: RunningAttempt[] = [];

  beforeAll(async () => {
    cluster = await SlurmTestCluster.start();
  });
  afterAll(() => cluster?.remove());
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'trainyard-slurm-jobs-'));
    mkdirSync(join(root, 'code'));
  });
  afterEach(async () => {
    for (const attempt of started.splice(0)) {
      await attempt.cancel({ graceMs: 0 });
      await attempt.cleanUp();
    }
    for (const executor of opened.splice(0)) await executor.close?.();
    rmSync(root, { recursive: true, force: true });
  });

  function open(change: { settings?: Partial<SlurmSettings>; transport?: Transport } = {}) {
    const executor = slurmExecutor({
      name: 'slurm',
      transport: change.transport ?? new LocalTransport({ env: cluster.env }),
      settings: slurmSettings.parse({ workingDir: join(root, 'shared'), ...change.settings }),
      log: silentLog,
      pollMs: 200,
      askEveryMs: 500,
      settleMs: 1500,
    });
    opened.push(executor);
    return executor;
  }
  function context(command: string, change: Partial<AttemptSpec> = {}): StartContext {
    const given = startContext(root, command, { workingDir: join(root, 'code') });
    return { ...given, spec: { ...given.spec, ...change } };
  }
  async function start(given: StartContext, executor = open()): Promise<RunningAttempt> {
    const attempt = await executor.start(given);
    started.push(attempt);
    return attempt;
  }
  /** Of the attempt, as Slurm has them. */
  async function rows({ spec }: StartContext): Promise<string[]> {
    const text = await cluster.command(
      'squeue',
      '-h',
      '-t',
      'all',
      `--name=${spec.attemptId}`,
      '-o',
      '%A %T',
    );
    return text.split('\n').filter((line) => line !== '');
  }
  const jobId = async (given: StartContext) => (await rows(given))[0]!.split(' ')[0]!;
  const inHost = ({ spec }: StartContext, name: string) =>
    join(root, 'shared/attempts', spec.attemptId, name);
  const isRunning = (given: StartContext) =>
    eventually('the program runs', () => existsSync(inHost(given, 'pid')), 30_000);
  const processesOf = async ({ spec }: StartContext) =>
    (await listProcesses()).filter(({ attemptId }) => attemptId === spec.attemptId);
  const outputOf = ({ files }: StartContext) =>
    existsSync(files.output) ? readFileSync(files.output, 'utf8') : '';

  test('a submit whose answer is lost makes one job, found again by its name', async () => {
    const local = new LocalTransport({ env: cluster.env });
    let lost = 0;
    const given = context('echo started; sleep 1');
    const transport: Transport = {
      name: 'lossy',
      close: () => local.close(),
      run: async (call) => {
        const result = await local.run(call);
        if (call.script !== SUBMIT_SCRIPT || lost > 0) return result;
        lost += 1;
        rmSync(inHost(given, 'slurm-job'));
        throw new TransportError('unreachable', 'the answer was lost');
      },
    };
    const attempt = await start(given, open({ transport }));
    expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 0 });
    expect(await attempt.cleanUp()).toBeUndefined();
    expect(lost).toBe(1);
    expect(await rows(given)).toHaveLength(1);
    expect(outputOf(given)).toBe('started\n');
  });

  test('a job that waits is cancelled and never starts', async () => {
    await cluster.command('scontrol', 'update', 'PartitionName=other', 'State=DOWN');
    const given = context('touch "$TRAINYARD_ATTEMPT_DIR/begun"', {
      remote: { slurm: { partition: 'other' } },
    });
    try {
      const attempt = await start(given);
      expect((await rows(given))[0]).toMatch(/PENDING$/);
      expect(await attempt.cancel({ graceMs: 1000 })).toBe(true);
      expect(await attempt.waitForExit(never)).toMatchObject({ error: { code: 'cancelled_before_start' } });
      expect(await attempt.cleanUp()).toBeUndefined();
      expect((await rows(given))[0]).toMatch(/CANCELLED$/);
    } finally {
      await cluster.command('scontrol', 'update', 'PartitionName=other', 'State=UP');
    }
    expect(existsSync(inHost(given, 'begun'))).toBe(false);
  });

  test("someone's scancel of a running job is an end by TERM, and nothing is left", async () => {
    // One process: a shell that waits may see its children end before the signal reaches itself.
    const given = context('setsid sleep 101 & exec sleep 100');
    const attempt = await start(given);
    await isRunning(given);
    await cluster.command('scancel', await jobId(given));
    expect(await attempt.waitForExit(never)).toMatchObject({ kind: 'exited', exitCode: 143 });
    await attempt.cleanUp();
    expect(await processesOf(given)).toEqual([]);
  });

  test('Slurm cannot start a job a second time', async () => {
    const given = context('echo started; sleep 100');
    const attempt = await start(given);
    await isRunning(given);
    await expect(cluster.command('scontrol', 'requeue', await jobId(given))).rejects.toThrow();
    expect((await rows(given))[0]).toMatch(/RUNNING$/);
    expect(attempt.freeze).toBeUndefined();
  });

  test('what Slurm refuses is told in its words, and nothing runs', async () => {
    const given = context('true', { remote: { slurm: { partition: 'nowhere' } } });
    await expect(start(given)).rejects.toMatchObject({
      runError: { code: 'batch_refused', message: expect.stringMatching(/invalid partition/i) },
    });
    expect(await rows(given)).toEqual([]);
  });

  test('GPUs are those that Slurm gives, each to one job, and none without asking', async () => {
    const command = 'echo "gpus=$CUDA_VISIBLE_DEVICES"; sleep 3';
    const wanting = [context(command, { gpus: 1 }), context(command, { gpus: 1 }), context(command)];
    const attempts = await Promise.all(wanting.map((given) => start(given)));
    for (const attempt of attempts) expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 0 });
    const [first, second, none] = wanting.map(outputOf);
    expect([first, second].sort()).toEqual(['gpus=0\n', 'gpus=1\n']);
    expect(none).toBe('gpus=\n');
  });

  test('a controller that is away ends nothing, and the exit file still tells the end', async () => {
    const given = context('while [ ! -e go ]; do sleep 0.1; done; exit 5');
    const attempt = await start(given);
    await isRunning(given);
    await cluster.stopController();
    try {
      let end: ExitResult | undefined;
      const following = attempt.waitForExit(never).then((result) => {
        end = result;
      });
      await new Promise((resolve) => setTimeout(resolve, 5000));
      expect(end).toBeUndefined();
      writeFileSync(inHost(given, 'work/go'), '');
      await following;
      expect(end).toMatchObject({ kind: 'exited', exitCode: 5 });
    } finally {
      await cluster.startController();
    }
    expect(await attempt.cleanUp()).toBeUndefined();
  }, 120_000);

  test('commands of Slurm that hang hold neither log nor end up', async () => {
    const bin = join(root, 'bin');
    mkdirSync(bin);
    writeFileSync(
      join(bin, 'squeue'),
      `#!/bin/sh\n[ -e ${bin}/hang ] && exec sleep 20\nexec /usr/bin/squeue "$@"\n`,
    );
    chmodSync(join(bin, 'squeue'), 0o755);
    const env = { ...cluster.env, PATH: `${bin}:${cluster.env['PATH']}` };
    const given = context('while [ ! -e go ]; do sleep 0.1; done; echo gone; exit 6');
    const attempt = await start(given, open({ transport: new LocalTransport({ env }) }));
    await isRunning(given);
    writeFileSync(join(bin, 'hang'), '');
    const following = attempt.waitForExit(never);
    writeFileSync(inHost(given, 'work/go'), '');
    const before = performance.now();
    expect(await following).toMatchObject({ kind: 'exited', exitCode: 6 });
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(outputOf(given)).toBe('gone\n');
    rmSync(join(bin, 'hang'));
  }, 120_000);

  test('a job that Slurm calls over while its program lives is swept, and that is told', async () => {
    const given = context('trap "" TERM; sleep 200 & wait; sleep 200');
    const attempt = await start(given);
    await isRunning(given);
    const program = Number(readFileSync(inHost(given, 'pid'), 'utf8').split(' ')[1]);
    const parent = (pid: number) =>
      Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
    const script = parent(parent(program));
    const daemon = parent(script);
    expect(readFileSync(`/proc/${daemon}/comm`, 'utf8')).toContain('slurmstepd');
    process.kill(daemon, 'SIGKILL');
    process.kill(script, 'SIGKILL');
    await cluster.command('scancel', await jobId(given));
    expect(await attempt.waitForExit(never)).toMatchObject({ error: { code: 'slurm_cancelled' } });
    expect(await processesOf(given)).not.toEqual([]);
    expect(await attempt.cleanUp()).toContain('Slurm called the job over while processes of it lived');
    expect(await processesOf(given)).toEqual([]);
  }, 120_000);

  test('before its time limit a program is told to save, and the end counts as a loss', async () => {
    const executor = open({ settings: { warnSeconds: 55 } });
    const given = context('trap "echo saved; exit 0" TERM; while :; do sleep 0.1; done', {
      remote: { slurm: { timeMinutes: 1 } },
    });
    const attempt = await start(given, executor);
    expect(await attempt.waitForExit(never)).toMatchObject({
      kind: 'vanished',
      error: { code: 'time_limit' },
    });
    expect(outputOf(given)).toContain('saved\n');
    expect(await attempt.cleanUp()).toBeUndefined();
  }, 150_000);
});
