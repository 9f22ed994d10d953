import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '@trainyard/protocol';
import { describe, expect, test } from 'vitest';
import { eventually } from '../testing/eventually.ts';
import { whyNoSlurm } from '../testing/slurm-cluster.ts';
import { SlurmJobs } from '../testing/slurm-jobs.ts';
import { LocalTransport } from '../transport/local-transport.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import { SUBMIT_SCRIPT } from './slurm-scripts.ts';

const never = new AbortController().signal;

describe.skipIf(whyNoSlurm !== undefined)(`jobs in Slurm (${whyNoSlurm ?? 'scenario 42'})`, () => {
  const jobs = new SlurmJobs();

  test('a submit whose answer is lost makes one job, found again by its name', async () => {
    const local = new LocalTransport({ env: jobs.cluster.env });
    let lost = 0;
    const given = jobs.context('echo started');
    const transport: Transport = {
      name: 'lossy',
      close: () => local.close(),
      run: async (call) => {
        const result = await local.run(call);
        if (call.script !== SUBMIT_SCRIPT || lost > 0) return result;
        lost += 1;
        rmSync(jobs.inHost(given, 'slurm-job'));
        throw new TransportError('unreachable', 'the answer was lost');
      },
    };
    const attempt = await jobs.start(given, jobs.open({ transport }));
    expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 0 });
    expect(await attempt.cleanUp()).toBeUndefined();
    expect(lost).toBe(1);
    expect(await jobs.rows(given)).toHaveLength(1);
    expect(jobs.outputOf(given)).toBe('started\n');
  });

  test('a job that waits is cancelled and never starts', async () => {
    await jobs.cluster.command('scontrol', 'update', 'PartitionName=other', 'State=DOWN');
    const given = jobs.context('touch "$TRAINYARD_ATTEMPT_DIR/begun"', {
      remote: { slurm: { partition: 'other' } },
    });
    try {
      const attempt = await jobs.start(given);
      expect((await jobs.rows(given))[0]).toMatch(/PENDING$/);
      expect(await attempt.cancel({ graceMs: 1000 })).toBe(true);
      expect(await attempt.waitForExit(never)).toMatchObject({ error: { code: 'cancelled_before_start' } });
      expect(await attempt.cleanUp()).toBeUndefined();
      expect((await jobs.rows(given))[0]).toMatch(/CANCELLED$/);
    } finally {
      await jobs.cluster.command('scontrol', 'update', 'PartitionName=other', 'State=UP');
    }
    expect(existsSync(jobs.inHost(given, 'begun'))).toBe(false);
  });

  test.each(['shared', 'other'])(
    'an attempt first takes away the earlier one of its run, which another agent submitted (its directory: %s)',
    async (directory) => {
      const runId = newId('run');
      const earlier = jobs.context('trap "" TERM; while :; do sleep 0.1; done', { runId });
      await jobs.start(earlier);
      await jobs.isRunning(earlier);
      const bystander = jobs.context('sleep 100');
      await jobs.start(bystander);
      const next = jobs.context('echo second', { runId, number: 2 });
      const another = jobs.open({ settings: { workingDir: join(jobs.root, directory) } });
      const attempt = await jobs.start(next, another);
      expect((await jobs.rows(earlier))[0]).toMatch(/CANCELLED|COMPLETED|FAILED/);
      expect(await jobs.processesOf(earlier)).toEqual([]);
      expect((await jobs.rows(bystander))[0]).toMatch(/PENDING|RUNNING/);
      expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 0 });
      expect(jobs.outputOf(next)).toBe('second\n');
    },
    90_000,
  );

  test('an earlier attempt whose submit arrives late is not handed over', async () => {
    const runId = newId('run');
    await jobs.start(jobs.context('sleep 100', { runId, number: 2 }));
    const late = jobs.context('echo first', { runId });
    await expect(jobs.start(late)).rejects.toMatchObject({ runError: { code: 'superseded' } });
    expect(await jobs.rows(late)).toEqual([]);
  });

  test('Slurm cannot start a job a second time', async () => {
    const given = jobs.context('echo started; sleep 100');
    await jobs.start(given);
    await jobs.isRunning(given);
    await expect(jobs.cluster.command('scontrol', 'requeue', await jobs.jobId(given))).rejects.toThrow();
    expect((await jobs.rows(given))[0]).toMatch(/RUNNING$/);
  });

  test('what Slurm refuses is told in its words, and nothing runs', async () => {
    const given = jobs.context('true', { remote: { slurm: { partition: 'nowhere' } } });
    await expect(jobs.start(given)).rejects.toMatchObject({
      runError: { code: 'batch_refused', message: expect.stringMatching(/invalid partition/i) },
    });
    expect(await jobs.rows(given)).toEqual([]);
  });

  test('GPUs are those that Slurm gives, each to one job, and none without asking', async () => {
    const command = 'echo "gpus=$CUDA_VISIBLE_DEVICES"; while [ ! -e "$DIR/go" ]; do sleep 0.05; done';
    const env = { DIR: jobs.root };
    const wanting = [1, 1, 0].map((gpus) => jobs.context(command, { gpus, env }));
    const attempts = await Promise.all(wanting.map((given) => jobs.start(given)));
    await Promise.all(wanting.map((given) => jobs.isRunning(given)));
    writeFileSync(join(jobs.root, 'go'), '');
    for (const attempt of attempts) expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 0 });
    const [first, second, none] = wanting.map((given) => jobs.outputOf(given));
    expect([first, second].sort()).toEqual(['gpus=0\n', 'gpus=1\n']);
    expect(none).toBe('gpus=\n');
  });

  test('GPUs of a type are asked for, and of one that no node has are refused', async () => {
    const given = jobs.context('exit 5', { gpus: 2, remote: { slurm: { gpuType: 'fake' } } });
    const attempt = await jobs.start(given);
    expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 5 });
    expect(await jobs.cluster.rows(['%b'], `--name=${given.spec.attemptId}`)).toEqual(['gres:gpu:fake:2']);
    const none = jobs.context('true', { gpus: 1, remote: { slurm: { gpuType: 'a100' } } });
    await expect(jobs.start(none)).rejects.toMatchObject({ runError: { code: 'batch_refused' } });
  });

  test('a job that waits is held when it is paused, and starts when it is resumed', async () => {
    const reason = async () => (await jobs.cluster.rows(['%T', '%r'], `--name=${given.spec.attemptId}`))[0];
    await jobs.cluster.command('scontrol', 'update', 'PartitionName=other', 'State=DOWN');
    const given = jobs.context('exit 4', { remote: { slurm: { partition: 'other' } } });
    const attempt = await jobs.start(given);
    expect(await attempt.freeze!(true)).toBe(true);
    expect(await reason()).toBe('PENDING JobHeldUser');
    await jobs.cluster.command('scontrol', 'update', 'PartitionName=other', 'State=UP');
    // Someone lets it go: it has its node then, and still does not begin.
    await jobs.cluster.command('scontrol', 'release', await jobs.jobId(given));
    await eventually('its script runs', () => existsSync(jobs.inHost(given, 'wish-done')), 30_000);
    expect(existsSync(jobs.inHost(given, 'pid.lock'))).toBe(false);
    expect(await attempt.freeze!(false)).toBe(true);
    expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 4 });
    expect(await attempt.cleanUp()).toBeUndefined();
  });
});
