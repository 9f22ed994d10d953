import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../packages/agent/src/testing/eventually.ts';
import { whyNoSlurm } from '../../packages/agent/src/testing/slurm-cluster.ts';
import { SlurmJobs } from '../../packages/agent/src/testing/slurm-jobs.ts';

const never = new AbortController().signal;

describe.skipIf(whyNoSlurm !== undefined)(
  `jobs on several nodes (${whyNoSlurm ?? 'of a real Slurm'})`,
  () => {
    const jobs = new SlurmJobs({}, { nodeCount: 2 });
    const twoNodes = { remote: { slurm: { nodes: 2, tasksPerNode: 2 } } };

    test('the program runs once, and what it starts by srun runs on all of them', async () => {
      const command =
        'echo "program on $SLURMD_NODENAME"; srun sh -c \'echo "task $SLURM_PROCID on $SLURMD_NODENAME gpus $CUDA_VISIBLE_DEVICES"\'';
      const given = jobs.context(command, { ...twoNodes, gpus: 1 });
      const attempt = await jobs.start(given);
      expect(await attempt.waitForExit(never)).toMatchObject({ exitCode: 0 });
      expect(await attempt.cleanUp()).toBeUndefined();
      const lines = jobs.outputOf(given).trim().split('\n');
      expect(lines.filter((line) => line.startsWith('program'))).toEqual(['program on node1']);
      const tasks = lines.filter((line) => line.startsWith('task')).sort();
      expect(tasks.map((line) => line.replace(/ gpus .*/, ''))).toEqual([
        ...['task 0 on node1', 'task 1 on node1', 'task 2 on node2', 'task 3 on node2'],
      ]);
      expect(tasks.every((line) => /gpus \d$/.test(line))).toBe(true);
      const [row] = await jobs.cluster.rows(['%D', '%b'], `--name=${given.spec.attemptId}`);
      expect(row).toBe('2 gres:gpu:1');
    }, 120_000);

    test('a freeze stops what runs on all of them, and a resume lets it go on', async () => {
      const task =
        'echo "$SLURM_PROCID $SLURMD_NODENAME $$" >> "$DIR/tasks"; while :; do echo x >> "$DIR/ticks-$SLURM_PROCID"; sleep 0.1; done';
      const given = jobs.context(`srun sh -c '${task}'`, { ...twoNodes, env: { DIR: jobs.root } });
      const attempt = await jobs.start(given);
      const ticks = () =>
        [0, 1, 2, 3].map((at) => {
          const file = join(jobs.root, `ticks-${at}`);
          return existsSync(file) ? statSync(file).size : 0;
        });
      await eventually('all tasks tick', () => ticks().every((size) => size > 0), 60_000);
      expect(await attempt.freeze!(true)).toBe(true);
      const stopped = ticks();
      const pids = readFileSync(join(jobs.root, 'tasks'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[2]);
      expect(pids.map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]![0])).toEqual([
        ...['T', 'T', 'T', 'T'],
      ]);
      // Both daemons of this test are on one machine: that each node was told is seen here only.
      const halts = () => readFileSync(jobs.inHost(given, 'halts'), 'utf8').trim().split('\n').sort();
      expect(halts()).toEqual(['STOP node1', 'STOP node2']);
      expect(ticks()).toEqual(stopped);
      expect(await attempt.freeze!(false)).toBe(true);
      await eventually('all tasks go on', () => ticks().every((size, at) => size > stopped[at]!), 60_000);
      expect(halts()).toEqual(['CONT node1', 'CONT node2', 'STOP node1', 'STOP node2']);
    }, 120_000);

    test('a cancel ends it as a whole, also what does not want to end', async () => {
      const task = 'trap "" TERM INT; echo $$ > "$DIR/task-$SLURM_PROCID"; while :; do sleep 0.1; done';
      const given = jobs.context(`srun sh -c '${task}'`, { ...twoNodes, env: { DIR: jobs.root } });
      const attempt = await jobs.start(given);
      const files = [0, 1, 2, 3].map((at) => join(jobs.root, `task-${at}`));
      await eventually('all tasks run', () => files.every((file) => existsSync(file)), 60_000);
      const pids = files.map((file) => Number(readFileSync(file, 'utf8')));
      const alive = () => pids.filter((pid) => existsSync(`/proc/${pid}`));
      expect(alive()).toHaveLength(4);
      expect(await attempt.cancel({ graceMs: 1000 })).toBe(true);
      expect(await attempt.waitForExit(never)).toMatchObject({ kind: 'exited' });
      expect(await attempt.cleanUp()).toBeUndefined();
      expect(alive()).toEqual([]);
      expect(await jobs.processesOf(given)).toEqual([]);
      expect((await jobs.rows(given))[0]).toMatch(/COMPLETED|FAILED|CANCELLED/);
    }, 120_000);
  },
);
