export { type Agent, createAgent } from './agent.ts';
export type { AgentQueue } from './agent-lanes.ts';
export type { AgentLog } from './agent-log.ts';
export type { AgentOptions, AgentTiming } from './agent-options.ts';
export {
  type Executor,
  type ExitResult,
  type RunningAttempt,
  type StartContext,
  StartError,
} from './executor.ts';
export { checkHost, type HostReport } from './hosts/check-host.ts';
export { createHostAgent } from './hosts/host-agent.ts';
export {
  HOST_NAME,
  type HostConfig,
  hostConfig,
  MAX_HOSTS,
  shownHost,
  sshTargetOf,
} from './hosts/host-config.ts';
export { HostsFile } from './hosts/hosts-file.ts';
export { localExecutor } from './local/local-executor.ts';
export { noopExecutor } from './local/noop-executor.ts';
export { createSlurmAgent } from './slurm/slurm-agent.ts';
export { slurmSettings } from './slurm/slurm-settings.ts';
export { detectGpuIds } from './telemetry/gpu-reader.ts';
export { RemoteFiles } from './transport/remote-files.ts';
export { type SshTarget, sshAddress } from './transport/ssh-target.ts';
export { SshTransport } from './transport/ssh-transport.ts';
export { TransportError } from './transport/transport.ts';
