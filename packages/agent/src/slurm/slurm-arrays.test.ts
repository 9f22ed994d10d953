import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AttemptSpec } from '@trainyard/protocol';
import { describe, expect, test } from 'vitest';
import type { Executor, RunningAttempt, StartContext } from '../executor.ts';
import { StartGroup } from '../link/start-groups.ts';
import { whyNoSlurm } from '../testing/slurm-cluster.ts';
import { SlurmJobs } from '../testing/slurm-jobs.ts';
import { LocalTransport } from '../transport/local-transport.ts';
import { type Transport, TransportError } from '../transport/transport.ts';
import { SUBMIT_ARRAY_SCRIPT } from './array-scripts.ts';

const never = new AbortController().signal;
const WAIT = 'while [ ! -e "$DIR/go" ]; do sleep 0.05; done';

describe.skipIf(whyNoSlurm !== undefined)(`arrays in Slurm (${whyNoSlurm ?? 'scenario 42'})`, () => {
  const jobs = new SlurmJobs({ MaxArraySize: '4' });

  /** Items of one foreach, that were claimed together. */
  function items(
    commands: readonly string[],
    change: Partial<AttemptSpec> = {},
    others: readonly string[] = [],
  ) {
    const given = commands.map((command, at): StartContext => {
      const env = { DIR: jobs.root, SHARED: 'same for "all"', OWN: `it's ${at}\n`, ...change.env };
      return jobs.context(command, { ...change, env });
    });
    const group = new StartGroup('run_1/sweep[]', [...given.map(({ spec }) => spec.attemptId), ...others]);
    return given.map((each): StartContext => ({ ...each, group }));
  }
  const startAll = (given: readonly StartContext[], executor: Executor) =>
    Promise.all(given.map((each) => jobs.start(each, executor)));
  const ends = (attempts: readonly RunningAttempt[]) =>
    Promise.all(
      attempts.map(async (attempt) => {
        const end = await attempt.waitForExit(never);
        expect(await attempt.cleanUp()).toBeUndefined();
        return end.kind === 'exited' ? end.exitCode : end.error.code;
      }),
    );
  const idsOf = (given: readonly StartContext[]) =>
    given.map((each) => readFileSync(jobs.inHost(each, 'slurm-job'), 'utf8').trim());
  /** `array task state`, of all arrays of these items. */
  async function tasksOf(given: readonly StartContext[]): Promise<string[]> {
    const arrays = new Set(idsOf(given).map((id) => id.split('_')[0]!));
    const rows = await jobs.cluster.rows(['%F', '%K', '%T']);
    return rows.filter((row) => arrays.has(row.split(' ')[0]!)).sort();
  }
  const allBegun = (given: readonly StartContext[]) => Promise.all(given.map((each) => jobs.isRunning(each)));

  test('items that are ready together are one array, and each is an attempt of its own', async () => {
    const say = 'echo "$SHARED $OWN $TRAINYARD_ATTEMPT_ID"';
    const given = items([
      `${say}; ${WAIT}`,
      `${say}; ${WAIT}; exit 3`,
      `${say}; ${WAIT}; kill -KILL $$`,
      `${say}; trap "exit 9" TERM; while :; do sleep 0.05; done`,
    ]);
    const attempts = await startAll(given, jobs.open());
    await allBegun(given);
    const [array] = idsOf(given)[0]!.split('_');
    expect(idsOf(given).sort()).toEqual([0, 1, 2, 3].map((at) => `${array}_${at}`));
    expect(await tasksOf(given)).toEqual([0, 1, 2, 3].map((at) => `${array} ${at} RUNNING`));
    // One is cancelled; the others do not notice.
    expect(await attempts[3]!.cancel({ graceMs: 20_000 })).toBe(true);
    expect(await ends([attempts[3]!])).toEqual([9]);
    for (const each of given.slice(0, 3)) expect(existsSync(jobs.inHost(each, 'exit.json'))).toBe(false);
    writeFileSync(join(jobs.root, 'go'), '');
    expect(await ends(attempts.slice(0, 3))).toEqual([0, 3, 137]);
    for (const [at, each] of given.entries()) {
      // The last one says besides that its "sleep" was ended.
      expect(jobs.outputOf(each)).toContain(`same for "all" it's ${at}\n ${each.spec.attemptId}\n`);
      expect(existsSync(jobs.inHost(each, 'slurm.out'))).toBe(true);
    }
    expect(readdirSync(join(jobs.root, 'shared/arrays'))).toEqual([]);
  });

  test('values of their environment are in no file and no argument', async () => {
    const secrets = { TOKEN: 'do-not-show-me-4711' };
    const given = items([`echo started; ${WAIT}`, `echo started; ${WAIT}`], { env: secrets });
    given[1]!.spec.env['TOKEN'] = 'nor-me-0815';
    const attempts = await startAll(given, jobs.open());
    await allBegun(given);
    const texts = readdirSync(join(jobs.root, 'shared'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
    const args = readdirSync('/proc').flatMap((pid) => {
      try {
        return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/cmdline`, 'latin1')] : [];
      } catch {
        return [];
      }
    });
    expect([...texts, ...args].join('\n')).not.toMatch(/do-not-show-me-4711|nor-me-0815/);
    // Nor has one of them what only the other one has.
    const program = Number(readFileSync(jobs.inHost(given[0]!, 'pid'), 'utf8').split(' ')[1]);
    const environment = readFileSync(`/proc/${program}/environ`, 'latin1');
    expect(environment).toContain('do-not-show-me-4711');
    expect(environment).not.toContain('nor-me-0815');
    writeFileSync(join(jobs.root, 'go'), '');
    expect(await ends(attempts)).toEqual([0, 0]);
  });

  test('an array has no more tasks than Slurm allows', async () => {
    const given = items(['exit 0', 'exit 1', 'exit 2', 'exit 3', 'exit 4', 'exit 5']);
    const attempts = await startAll(given, jobs.open());
    expect(await ends(attempts)).toEqual([0, 1, 2, 3, 4, 5]);
    const sizes = Map.groupBy(idsOf(given), (id) => id.split('_')[0]);
    expect([...sizes.values()].map((ids) => ids.length).sort()).toEqual([2, 4]);
  });

  test('a task that waits is cancelled alone, and one that takes long is not waited for', async () => {
    await jobs.cluster.command('scontrol', 'update', 'PartitionName=other', 'State=DOWN');
    const given = items(['exit 4', 'exit 5', 'exit 6'], { remote: { slurm: { partition: 'other' } } }, [
      'late',
    ]);
    try {
      const attempts = await startAll(given, jobs.open());
      const ids = idsOf(given).map((id) => id.replace('_', ' '));
      expect(await attempts[1]!.cancel({ graceMs: 1000 })).toBe(true);
      expect(await ends([attempts[1]!])).toEqual(['cancelled_before_start']);
      const waiting = [ids[0], ids[2]].map((id) => `${id} PENDING`).sort();
      // Slurm forgets at once a task that never began.
      expect((await tasksOf(given)).filter((row) => !row.endsWith('CANCELLED'))).toEqual(waiting);
      await jobs.cluster.command('scontrol', 'update', 'PartitionName=other', 'State=UP');
      expect(await ends([attempts[0]!, attempts[2]!])).toEqual([4, 6]);
    } finally {
      await jobs.cluster.command('scontrol', 'update', 'PartitionName=other', 'State=UP');
    }
  });

  test('a whole array is cancelled by one call, though some of it run and some wait', async () => {
    const calls = join(jobs.root, 'calls');
    mkdirSync(join(jobs.root, 'bin'));
    const counted = `#!/bin/sh\necho "$@" >> "${calls}"\nexec /usr/bin/scancel "$@"\n`;
    writeFileSync(join(jobs.root, 'bin/scancel'), counted, { mode: 0o755 });
    const env = { ...jobs.cluster.env, PATH: `${join(jobs.root, 'bin')}:${process.env['PATH']}` };
    const executor = jobs.open({ transport: new LocalTransport({ env }) });
    const loop = 'trap "exit 9" TERM; while :; do sleep 0.05; done';
    const running = items([loop, loop, loop]);
    const attempts = await startAll(running, executor);
    await allBegun(running);
    await jobs.cluster.command('scontrol', 'update', 'PartitionName=other', 'State=DOWN');
    const waiting = items(['exit 1', 'exit 2'], { remote: { slurm: { partition: 'other' } } });
    try {
      attempts.push(...(await startAll(waiting, executor)));
      const cancelled = await Promise.all(attempts.map((attempt) => attempt.cancel({ graceMs: 20_000 })));
      expect(cancelled).toEqual([true, true, true, true, true]);
      const none = 'cancelled_before_start';
      expect(await ends(attempts)).toEqual([9, 9, 9, none, none]);
    } finally {
      await jobs.cluster.command('scontrol', 'update', 'PartitionName=other', 'State=UP');
    }
    const lines = readFileSync(calls, 'utf8').trim().split('\n');
    expect(lines.map((line) => line.match(/\d+_\d+/g)?.length)).toEqual([3, 2]);
    expect(lines[0]).toContain('--signal=TERM');
  });

  test('one that Slurm refuses to cancel does not keep others from it', async () => {
    mkdirSync(join(jobs.root, 'bin'));
    const refusing = `#!/bin/sh\ncase "$*" in *"$(cat "${jobs.root}/refused" 2>/dev/null || echo none)"*) exit 1 ;; esac\nexec /usr/bin/scancel "$@"\n`;
    writeFileSync(join(jobs.root, 'bin/scancel'), refusing, { mode: 0o755 });
    const env = { ...jobs.cluster.env, PATH: `${join(jobs.root, 'bin')}:${process.env['PATH']}` };
    const loop = 'trap "exit 9" TERM; while :; do sleep 0.05; done';
    const given = items([loop, loop]);
    const attempts = await startAll(given, jobs.open({ transport: new LocalTransport({ env }) }));
    await allBegun(given);
    writeFileSync(join(jobs.root, 'refused'), idsOf(given)[0]!);
    const both = attempts.map((attempt) => attempt.cancel({ graceMs: 20_000 }));
    expect(await both[1]).toBe(true);
    expect(await ends([attempts[1]!])).toEqual([9]);
    rmSync(join(jobs.root, 'refused'));
    expect(await both[0]).toBe(true);
    expect(await ends([attempts[0]!])).toEqual([9]);
  });

  /** Loses the first answers to submits of arrays. */
  function lossy(given: readonly StartContext[], times: number) {
    const local = new LocalTransport({ env: jobs.cluster.env });
    const firstLost = Promise.withResolvers<void>();
    let lost = 0;
    const transport: Transport = {
      name: 'lossy',
      close: () => local.close(),
      run: async (call) => {
        const result = await local.run(call);
        if (call.script !== SUBMIT_ARRAY_SCRIPT || lost >= times) return result;
        lost += 1;
        for (const each of given) rmSync(jobs.inHost(each, 'slurm-job'), { force: true });
        firstLost.resolve();
        throw new TransportError('unreachable', 'the answer was lost');
      },
    };
    return { transport, firstLost: firstLost.promise };
  }

  test('a submit that is repeated since its answer was lost makes no second array', async () => {
    const given = items(['exit 1', 'exit 2', 'exit 3']);
    const { transport } = lossy(given, 2);
    const attempts = await startAll(given, jobs.open({ transport }));
    expect(await ends(attempts)).toEqual([1, 2, 3]);
    expect(await tasksOf(given)).toHaveLength(3);
    expect(new Set(idsOf(given).map((id) => id.split('_')[0])).size).toBe(1);
  });

  test('a submit whose answer is lost makes one array, which the next agent finds for each of its items', async () => {
    const given = items([`${WAIT}; exit 1`, `${WAIT}; exit 2`, `${WAIT}; exit 3`]);
    const { transport, firstLost } = lossy(given, Number.POSITIVE_INFINITY);
    const first = jobs.open({ transport });
    const starts = given.map((each) => first.start(each).catch(() => undefined));
    await firstLost;
    await first.close?.();
    await Promise.all(starts);
    const second = jobs.open();
    // One is adopted; the agent that takes the others starts them again, each for itself or together.
    const attempts = [
      await jobs.adopt(given[0]!, second),
      await jobs.start({ ...given[1]!, group: undefined }, second),
      await jobs.start(given[2]!, second),
    ];
    writeFileSync(join(jobs.root, 'go'), '');
    expect(await ends(attempts)).toEqual([1, 2, 3]);
    const names = await jobs.cluster.rows(['%j', '%T']);
    expect(names.filter((row) => given.some(({ spec }) => row.startsWith(spec.attemptId)))).toEqual([]);
    expect(await tasksOf(given.slice(1))).toHaveLength(3);
  });

  test('what Slurm refuses is told to each of them in its words', async () => {
    const given = items(['true', 'true'], { remote: { slurm: { partition: 'nowhere' } } });
    const executor = jobs.open();
    for (const start of given.map((each) => executor.start(each))) {
      await expect(start).rejects.toMatchObject({
        runError: { code: 'batch_refused', message: expect.stringMatching(/invalid partition/i) },
      });
    }
  });
});
