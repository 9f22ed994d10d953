import type { AgentLog } from '../agent-log.ts';
import { RemoteExecutor } from '../remote/remote-executor.ts';
import type { Transport } from '../transport/transport.ts';
import { SlurmBatch } from './slurm-batch.ts';
import type { SlurmSettings } from './slurm-settings.ts';

export interface SlurmExecutorOptions {
  /** As jobs name it, such as `slurm`. */
  readonly name: string;
  /** To a machine with the commands of Slurm: this one, or one over SSH. */
  readonly transport: Transport;
  readonly settings: SlurmSettings;
  readonly log: AgentLog;
  readonly pollMs?: number | undefined;
  readonly askEveryMs?: number | undefined;
  readonly settleMs?: number | undefined;
  readonly gatherMs?: number | undefined;
}

/** Runs attempts as jobs of a Slurm cluster, one each. Files come and go as with jobs over SSH. */
export function slurmExecutor(options: SlurmExecutorOptions): RemoteExecutor {
  const { name, transport, settings, log, pollMs } = options;
  const { workingDir, condaEnv } = settings;
  const batch = new SlurmBatch(transport, options);
  return new RemoteExecutor({ name, transport, workingDir, condaEnv, batch, log, pollMs });
}
