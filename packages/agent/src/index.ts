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
export { localExecutor } from './local-executor.ts';
export { noopExecutor } from './noop-executor.ts';
export { detectGpuIds } from './telemetry/gpu-reader.ts';
