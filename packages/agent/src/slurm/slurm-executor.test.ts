import { describe } from 'vitest';
import { testExecutor } from '../testing/executor.testsuite.ts';
import { whyNoSlurm } from '../testing/slurm-cluster.ts';
import { slurmOverSsh } from '../testing/slurm-under-test.ts';
import { hasSshd } from '../testing/ssh-server.ts';

const whyNot = whyNoSlurm ?? (hasSshd ? undefined : 'there is no sshd');

describe.skipIf(whyNot !== undefined)(`in a real Slurm behind a login node (${whyNot ?? 'in short'})`, () => {
  testExecutor('slurm over ssh', slurmOverSsh, 'quick');
});
