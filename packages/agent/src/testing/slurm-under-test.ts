import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { slurmExecutor } from '../slurm/slurm-executor.ts';
import { slurmSettings } from '../slurm/slurm-settings.ts';
import { LocalTransport } from '../transport/local-transport.ts';
import { SshTransport } from '../transport/ssh-transport.ts';
import type { Transport } from '../transport/transport.ts';
import type { ExecutorUnderTest } from './executor.testsuite.ts';
import { silentLog } from './silent-log.ts';
import { SlurmTestCluster } from './slurm-cluster.ts';
import { SshTestServer } from './ssh-server.ts';

/** A Slurm whose commands are on a login node: a real sshd, where they find their cluster. */
export async function slurmOverSsh(): Promise<ExecutorUnderTest> {
  const cluster = await SlurmTestCluster.start();
  // A login shell reads what its user has set up, which may take longer than the call itself.
  const SetEnv = `HOME=${cluster.dir} SLURM_CONF=${cluster.configFile}`;
  const host = await SshTestServer.start({ SetEnv });
  let opened = 0;
  const under = slurmUnder(cluster, () => {
    opened += 1;
    return new SshTransport(host.target, { key: `${cluster.dir}/${opened}` });
  });
  return {
    ...under,
    close: async () => {
      await under.close();
      await host.remove();
    },
  };
}

/** A Slurm whose commands are on this machine. */
export async function slurmHere(): Promise<ExecutorUnderTest> {
  const cluster = await SlurmTestCluster.start();
  return slurmUnder(cluster, () => new LocalTransport({ env: cluster.env }));
}

function slurmUnder(cluster: SlurmTestCluster, connect: () => Transport): ExecutorUnderTest {
  const workingDir = mkdtempSync(join(tmpdir(), 'trainyard-shared-'));
  return {
    givesGpus: true,
    open: () =>
      slurmExecutor({
        name: 'slurm',
        transport: connect(),
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
}
