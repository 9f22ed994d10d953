import { executorQueue } from '@trainyard/protocol';
import { type Agent, createAgent } from '../agent.ts';
import { defaultAgentLog } from '../agent-log.ts';
import type { AgentOptions } from '../agent-options.ts';
import { inheritedEnvironment } from '../attempt/payload-environment.ts';
import { LocalTransport } from '../transport/local-transport.ts';
import type { SshTarget } from '../transport/ssh-target.ts';
import { SshTransport } from '../transport/ssh-transport.ts';
import { slurmExecutor } from './slurm-executor.ts';
import type { SlurmSettings } from './slurm-settings.ts';

export interface SlurmAgentOptions
  extends Pick<AgentOptions, 'url' | 'token' | 'dataDir' | 'log' | 'limits' | 'timing' | 'slots' | 'gpus'> {
  /** Of the cluster, as jobs name it. */
  readonly name: string;
  readonly settings: SlurmSettings;
  /** Default ["default"]. */
  readonly queues?: readonly string[] | undefined;
  /** A login node. Left out: the commands of Slurm are on this machine. */
  readonly target?: SshTarget | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * An agent for a Slurm cluster. Its slots are jobs that may wait or run in Slurm at the same time, its GPUs those
 * that they may have together: which job runs where and when, Slurm decides.
 */
export function createSlurmAgent(options: SlurmAgentOptions): Agent {
  const { name, settings, target, dataDir, queues = ['default'], log = defaultAgentLog() } = options;
  const { env = process.env, slots = DEFAULT_SLOTS, gpus = DEFAULT_GPUS } = options;
  const executorName = `slurm:${name}`;
  const transport =
    target === undefined
      ? new LocalTransport({ env: inheritedEnvironment(env) })
      : new SshTransport(target, { key: dataDir });
  const executor = slurmExecutor({ name: executorName, transport, settings, log });
  return createAgent({
    ...options,
    log,
    slots,
    gpus,
    queues: queues.flatMap((queue) => [executorQueue(queue, executorName), executorQueue(queue, 'slurm')]),
    labels: { executor: executorName },
    executors: { slurm: executor, [executorName]: executor },
    env: {},
  });
}

const DEFAULT_SLOTS = 50;
const DEFAULT_GPUS = 64;
