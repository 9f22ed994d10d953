import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ExitResult } from '../../packages/agent/src/executor.ts';
import { whyNoSlurm } from '../../packages/agent/src/testing/slurm-cluster.ts';
import { SlurmJobs } from '../../packages/agent/src/testing/slurm-jobs.ts';
import { LocalTransport } from '../../packages/agent/src/transport/local-transport.ts';

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

  test('a controller that is away ends nothing, and the exit file still tells the end', async () => {
    const given = jobs.context('while [ ! -e go ]; do sleep 0.1; done; exit 5');
    const attempt = await jobs.start(given);
    await jobs.isRunning(given);
    await jobs.cluster.stopController();
    try {
      let end: ExitResult | undefined;
      const following = attempt.waitForExit(never).then((result) => {
        end = result;
      });
      await new Promise((resolve) => setTimeout(resolve, 5000));
      expect(end).toBeUndefined();
      writeFileSync(jobs.inHost(given, 'work/go'), '');
      await following;
      expect(end).toMatchObject({ kind: 'exited', exitCode: 5 });
    } finally {
      await jobs.cluster.startController();
    }
    expect(await attempt.cleanUp()).toBeUndefined();
  }, 120_000);

  test('commands of Slurm that hang hold neither log nor end up', async () => {
    const bin = join(jobs.root, 'bin');
    mkdirSync(bin);
    writeFileSync(
      join(bin, 'squeue'),
      `#!/bin/sh\n[ -e ${bin}/hang ] && exec sleep 20\nexec /usr/bin/squeue "$@"\n`,
    );
    chmodSync(join(bin, 'squeue'), 0o755);
    const env = { ...cluster.env, PATH: `${bin}:${jobs.cluster.env['PATH']}` };
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
    const parent = (pid: number) =>
      Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
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
