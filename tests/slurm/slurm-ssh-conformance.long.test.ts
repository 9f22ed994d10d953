import { describe } from 'vitest';
import { testExecutor } from '../../packages/agent/src/testing/executor.testsuite.ts';
import { whyNoSlurm } from '../../packages/agent/src/testing/slurm-cluster.ts';
import { slurmOverSsh } from '../../packages/agent/src/testing/slurm-under-test.ts';
import { hasSshd } from '../../packages/agent/src/testing/ssh-server.ts';

const whyNot = whyNoSlurm ?? (hasSshd ? undefined : 'there is no sshd');

describe.skipIf(whyNot !== undefined)(
  `in a real Slurm (${whyNot ?? 'its commands are on a login node'})`,
  () => testExecutor('slurm over ssh', slurmOverSsh),
);
