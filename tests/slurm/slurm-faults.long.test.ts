import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ExitResult } from '../../packages/agent/src/executor.ts';
import { ROWS_SCRIPT, SUBMIT_SCRIPT } from '../../packages/agent/src/slurm/slurm-scripts.ts';
import { eventually } from '../../packages/agent/src/testing/eventually.ts';
import { whyNoSlurm } from '../../packages/agent/src/testing/slurm-cluster.ts';
import { SlurmJobs } from '../../packages/agent/src/testing/slurm-jobs.ts';
import { LocalTransport } from '../../packages/agent/src/transport/local-transport.ts';
import type { Transport } from '../../packages/agent/src/transport/transport.ts';

const never = new AbortController().signal;

describe.skipIf(whyNoSlurm !== undefined)(`Slurm goes wrong (${whyNoSlurm ?? 'scenarios 42 and 43'})`, () => {
  const jobs = new SlurmJobs();

  test("someone's scancel of a running job is an end by TERM, and nothing is left", async () => {
    // One process: a shell that waits may see its children end before the signal reaches itself.
    const given = jobs.context('setsid sleep 101 & exec sleep 100');
    const attempt = await jobs.start(given);
    await jobs.isRunning(given);
    await jobs.cluster.command('scancel', await jobs.jobId(given));
    expect(await attempt.waitForExit(never)).toMatchObject({ kind: 'exited', exitCode: 143 });
    await attempt.cleanUp();
    expect(await jobs.processesOf(given)).toEqual([]);
  });

  const parent = (pid: number) =>
    Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);

  /** Counts the answers of a script that say that Slurm does not answer. */
  function counting(script: string) {
    const local = new LocalTransport({ env: jobs.cluster.env });
    const counted = { refused: 0 };
    const transport: Transport = {
      name: 'counting',
      close: () => local.close(),
      run: async (call) => {
        const result = await local.run(call);
        if (call.script === script && result.exitCode !== 0) counted.refused += 1;
        return result;
      },
    };
    return { counted, transport };
  }

  test('a controller that is away ends nothing, and the exit file still tells the end', async () => {
    const given = jobs.context('while [ ! -e go ]; do sleep 0.1; done; exit 5');
    const { counted, transport } = counting(ROWS_SCRIPT);
    const attempt = await jobs.start(given, jobs.open({ transport }));
    await jobs.isRunning(given);
    await jobs.cluster.stopController();
    try {
      let end: ExitResult | undefined;
      const following = attempt.waitForExit(never).then((result) => {
        end = result;
      });
      // Each question takes Slurm's own patience, so this is longer than it may take to see what a node wrote.
      await eventually('it was asked in vain', () => counted.refused >= 2, 120_000);
      expect(end).toBeUndefined();
      expect(await jobs.processesOf(given)).not.toEqual([]);
      writeFileSync(jobs.inHost(given, 'work/go'), '');
      await following;
      expect(end).toMatchObject({ kind: 'exited', exitCode: 5 });
    } finally {
      await jobs.cluster.startController();
    }
    expect(await attempt.cleanUp()).toBeUndefined();
  }, 240_000);

  test('a submit while the controller is away waits for it, and starts the program once', async () => {
    const given = jobs.context('echo started >> "$DIR/count"; exit 6', { env: { DIR: jobs.root } });
    const { counted, transport } = counting(SUBMIT_SCRIPT);
    await jobs.cluster.stopController();
    const starting = jobs.start(given, jobs.open({ transport }));
    try {
      await eventually('it was asked in vain', () => counted.refused >= 1, 120_000);
    } finally {
      await jobs.cluster.startController();
    }
    const attempt = await starting;
    expect(await attempt.waitForExit(never)).toMatchObject({ kind: 'exited', exitCode: 6 });
    expect(await attempt.cleanUp()).toBeUndefined();
    expect(readFileSync(join(jobs.root, 'count'), 'utf8')).toBe('started\n');
    expect(await jobs.rows(given)).toHaveLength(1);
  }, 240_000);

  test('a node that fails is a loss, whatever its program did, and nothing is left on it', async () => {
    const given = jobs.context('trap "exit 0" TERM; while :; do sleep 0.1; done');
    const attempt = await jobs.start(given);
    await jobs.isRunning(given);
    const node = `nodename=${jobs.cluster.nodeName}`;
    await jobs.cluster.command('scontrol', 'update', node, 'state=down', 'reason=test');
    try {
      expect(await attempt.waitForExit(never)).toMatchObject({
        kind: 'vanished',
        error: { code: 'node_failed' },
      });
      await attempt.cleanUp();
      expect(await jobs.processesOf(given)).toEqual([]);
    } finally {
      // It may have come back by itself, since its daemon lives.
      await jobs.cluster.command('scontrol', 'update', node, 'state=resume').catch(() => undefined);
      await jobs.cluster.untilIdle();
    }
  }, 120_000);

  test('commands of Slurm that hang hold neither log nor end up', async () => {
    const bin = join(jobs.root, 'bin');
    mkdirSync(bin);
    writeFileSync(
      join(bin, 'squeue'),
      `#!/bin/sh\n[ -e ${bin}/hang ] && exec sleep 20\nexec /usr/bin/squeue "$@"\n`,
    );
    chmodSync(join(bin, 'squeue'), 0o755);
    const env = { ...jobs.cluster.env, PATH: `${bin}:${jobs.cluster.env['PATH']}` };
    const given = jobs.context('while [ ! -e go ]; do sleep 0.1; done; echo gone; exit 6');
    const attempt = await jobs.start(given, jobs.open({ transport: new LocalTransport({ env }) }));
    await jobs.isRunning(given);
    writeFileSync(join(bin, 'hang'), '');
    const following = attempt.waitForExit(never);
    writeFileSync(jobs.inHost(given, 'work/go'), '');
    const before = performance.now();
    expect(await following).toMatchObject({ kind: 'exited', exitCode: 6 });
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(jobs.outputOf(given)).toBe('gone\n');
    rmSync(join(bin, 'hang'));
  }, 120_000);

  test('a job that Slurm calls over while its program lives is swept, and that is told', async () => {
    const given = jobs.context('trap "" TERM; sleep 200 & wait; sleep 200');
    const attempt = await jobs.start(given);
    await jobs.isRunning(given);
    const program = Number(readFileSync(jobs.inHost(given, 'pid'), 'utf8').split(' ')[1]);
    const script = parent(parent(program));
    const daemon = parent(script);
    expect(readFileSync(`/proc/${daemon}/comm`, 'utf8')).toContain('slurmstepd');
    process.kill(daemon, 'SIGKILL');
    process.kill(script, 'SIGKILL');
    await jobs.cluster.command('scancel', await jobs.jobId(given));
    expect(await attempt.waitForExit(never)).toMatchObject({ error: { code: 'slurm_cancelled' } });
    expect(await jobs.processesOf(given)).not.toEqual([]);
    expect(await attempt.cleanUp()).toContain('Slurm called the job over while processes of it lived');
    expect(await jobs.processesOf(given)).toEqual([]);
  }, 120_000);

  test('a job whose script does not answer is not paused, and can be ended all the same', async () => {
    const given = jobs.context('while :; do sleep 0.1; done');
    const attempt = await jobs.start(given);
    await jobs.isRunning(given);
    const program = Number(readFileSync(jobs.inHost(given, 'pid'), 'utf8').split(' ')[1]);
    const script = parent(parent(program));
    process.kill(script, 'SIGSTOP');
    await expect(attempt.freeze!(true)).rejects.toThrow('the script of the job does not answer');
    expect(readFileSync(jobs.inHost(given, 'wish'), 'utf8')).toMatch(/^CONT /);
    process.kill(script, 'SIGCONT');
    expect(await attempt.cancel({ graceMs: 20_000 })).toBe(true);
    expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 143 });
    expect(await attempt.cleanUp()).toBeUndefined();
  }, 120_000);

  test('before its time limit a program is told to save, and the end counts as a loss', async () => {
    const executor = jobs.open({ settings: { warnSeconds: 55 } });
    const given = jobs.context('trap "echo saved; exit 0" TERM; while :; do sleep 0.1; done', {
      remote: { slurm: { timeMinutes: 1 } },
    });
    const attempt = await jobs.start(given, executor);
    expect(await attempt.waitForExit(never)).toMatchObject({
      kind: 'vanished',
      error: { code: 'time_limit' },
    });
    expect(jobs.outputOf(given)).toContain('saved\n');
    expect(await attempt.cleanUp()).toBeUndefined();
  }, 150_000);
});
