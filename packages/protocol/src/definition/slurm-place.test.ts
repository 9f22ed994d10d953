import { describe, expect, it } from 'vitest';
import { executorPlace } from './executor.ts';
import { job } from './job.ts';

const parse = (slurm: object, gpus = 0) =>
  job.safeParse({ command: 'true', executor: { slurm }, resources: { gpus } });

describe('what a job asks of Slurm', () => {
  it('has types of GPUs, nodes and tasks', () => {
    const { data } = parse({ gpuType: 'a100-sxm_80.1', nodes: 2, tasksPerNode: 4, time: '1h' }, 4);
    expect(executorPlace(data!.executor)).toEqual({
      executor: 'slurm',
      remote: { slurm: { gpuType: 'a100-sxm_80.1', nodes: 2, tasksPerNode: 4, timeMinutes: 60 } },
    });
  });

  it.each([
    [
      { gpuType: 'a100' },
      0,
      'executor.slurm.gpuType',
      '"gpuType" says which GPUs, but the job asks for none',
    ],
    [{ gpuType: 'a100:2' }, 1, 'executor', 'not a type of GPU'],
    [{ gpuType: '-x' }, 1, 'executor', 'not a type of GPU'],
    [{ nodes: 0 }, 0, 'executor', '>=1'],
    [{ nodes: 1.5 }, 0, 'executor', 'int'],
    [{ tasksPerNode: 5000 }, 0, 'executor', '<=1024'],
  ])('refuses %j with %d GPUs', (slurm, gpus, path, message) => {
    const { error } = parse(slurm, gpus);
    expect(error!.issues[0]!.path.join('.')).toContain(path);
    expect(JSON.stringify(error!.issues)).toContain(JSON.stringify(message).slice(1, -1));
  });
});
