import { describe } from 'vitest';
import { testExecutor } from '../../packages/agent/src/testing/executor.testsuite.ts';
import { whyNoSlurm } from '../../packages/agent/src/testing/slurm-cluster.ts';
import { slurmHere } from '../../packages/agent/src/testing/slurm-under-test.ts';

describe.skipIf(whyNoSlurm !== undefined)(`in a real Slurm (${whyNoSlurm ?? 'its commands are here'})`, () =>
  testExecutor('slurm', slurmHere),
);
