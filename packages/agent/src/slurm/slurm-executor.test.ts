import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { testExecutor } from '../testing/executor.testsuite.ts';
import { silentLog } from '../testing/silent-log.ts';
import { SlurmTestCluster, whyNoSlurm } from '../testing/slurm-cluster.ts';
import { LocalTransport } from '../transport/local-transport.ts';
import { slurmExecutor } from './slurm-executor.ts';
import { slurmSettings } from './slurm-settings.ts';

describe.skipIf(whyNoSlurm !== undefined)(
  `in a real Slurm${whyNoSlurm === undefined ? '' : ` (${whyNoSlurm})`}`,
  () => {
    testExecutor('slurm', async () => {
      const workingDir = mkdtempSync(join(tmpdir(), 'trainyard-shared-'));
      const cluster = await SlurmTestCluster.start();
      return {
        givesGpus: true,
        open: () =>
          slurmExecutor({
            name: 'slurm',
            transport: new LocalTransport({ env: cluster.env }),
            settings: slurmSettings.parse({ workingDir }),
            log: silentLog,
            pollMs: 200,
            askEveryMs: 500,
            settleMs: 2000,
          }),
        close: async () => {
          await cluster.remove();
          rmSync(workingDir, { recursive: true, force: true });
        },
      };
    });
  },
);
