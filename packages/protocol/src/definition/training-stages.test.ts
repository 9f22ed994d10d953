import { expect, test } from 'vitest';
import { executorPlace } from './executor.ts';
import { runEvaluation, trainingExecutor, trainModel } from './training-stages.ts';

const place = (given: object, timeoutMs?: number) =>
  executorPlace(trainingExecutor(trainModel.parse({ job: 'j', ...given })), timeoutMs);

test.each([
  [{}, { executor: 'local' }],
  [{ runMode: 'ssh' }, { executor: 'ssh' }],
  [
    { runMode: 'ssh', sshConfig: { host: 'gpu1', dir: '/code' } },
    { executor: 'ssh:gpu1', remote: { dir: '/code' } },
  ],
  [{ runMode: 'slurm' }, { executor: 'slurm' }],
  [
    { runMode: 'slurm', slurmConfig: { cluster: 'big', partition: 'gpu', time: '90s', condaEnv: 'verl' } },
    { executor: 'slurm:big', remote: { condaEnv: 'verl', slurm: { partition: 'gpu', timeMinutes: 2 } } },
  ],
])('%j runs where it says', (given, expected) => {
  expect(place(given)).toEqual(expected);
});

test('in Slurm the timeout of the stage comes before the end of the time there', () => {
  expect(place({ runMode: 'slurm' }, 3_600_000)).toEqual({
    executor: 'slurm',
    remote: { slurm: { timeMinutes: 62 } },
  });
});

test.each([
  [{ sshConfig: { host: 'gpu1' } }, 'sshConfig', '"sshConfig" is only for runMode "ssh"'],
  [{ runMode: 'slurm', sshConfig: {} }, 'sshConfig', '"sshConfig" is only for runMode "ssh"'],
  [{ runMode: 'ssh', slurmConfig: {} }, 'slurmConfig', '"slurmConfig" is only for runMode "slurm"'],
])('%j is refused at its key', (given, key, message) => {
  for (const schema of [trainModel, runEvaluation]) {
    const { error } = schema.safeParse({ job: 'j', ...given });
    expect(error?.issues).toMatchObject([{ path: [key], message }]);
  }
});
