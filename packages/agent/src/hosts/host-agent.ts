import { executorQueue } from '@trainyard/protocol';
import { type Agent, createAgent } from '../agent.ts';
import { defaultAgentLog } from '../agent-log.ts';
import type { AgentOptions } from '../agent-options.ts';
import { RemoteExecutor } from '../remote/remote-executor.ts';
import { RemoteMachine } from '../telemetry/remote-machine.ts';
import type { SshTarget } from '../transport/ssh-target.ts';
import { SshTransport } from '../transport/ssh-transport.ts';
import type { HostConfig } from './host-config.ts';

export interface HostAgentOptions
  extends Pick<AgentOptions, 'url' | 'token' | 'dataDir' | 'log' | 'limits' | 'timing' | 'isBesideServer'> {
  /** As jobs name the host. */
  readonly name: string;
  readonly config: Omit<HostConfig, 'password' | 'passphrase'>;
  readonly target: SshTarget;
}

/**
 * An agent for one host: slots, GPUs and queues are those of the host. It takes jobs for this host by name and
 * jobs for any host. A new one has to be made for each start.
 */
export function createHostAgent(options: HostAgentOptions): Agent {
  const { name, config, target, dataDir, log = defaultAgentLog() } = options;
  const executorName = `ssh:${name}`;
  const transport = new SshTransport(target, { key: dataDir });
  const { workingDir } = config;
  const executor = new RemoteExecutor({
    ...{ name: executorName, transport, workingDir },
    condaEnv: config.condaEnv,
    unwatchedForMs: (config.unwatchedForSeconds ?? 0) * 1000,
    log,
  });
  return createAgent({
    ...options,
    log,
    name,
    slots: config.slots,
    gpus: config.gpus,
    queues: config.queues.flatMap((queue) => [
      executorQueue(queue, executorName),
      executorQueue(queue, 'ssh'),
    ]),
    labels: { executor: executorName },
    executors: { ssh: executor, [executorName]: executor },
    // Nothing of this machine concerns programs over there: neither its environment and GPUs, nor how busy it is.
    env: {},
    machine: new RemoteMachine({ transport, dir: workingDir }),
  });
}
