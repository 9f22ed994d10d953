import { mkdirSync } from 'node:fs';
import { type AttemptFiles, type AttemptSpec, attemptFiles, newId } from '@trainyard/protocol';
import { payloadEnvironment } from '../attempt/payload-environment.ts';
import type { StartContext } from '../executor.ts';

/** What an executor needs to start a command in a directory of its own below `root`. */
export function startContext(
  root: string,
  command: AttemptSpec['command'],
  options: { env?: Record<string, string>; workingDir?: string } = {},
): StartContext {
  const spec: AttemptSpec = {
    attemptId: newId('att'),
    runId: newId('run'),
    rootId: 'run_root',
    stage: 'train',
    number: 1,
    epoch: 1,
    executor: 'local',
    command,
    workingDir: options.workingDir ?? root,
    env: options.env ?? {},
    secrets: [],
    artifacts: {},
    parentId: 'run_parent',
    params: {},
    gpus: 0,
    queue: 'default',
    graceMs: 1000,
  };
  const files: AttemptFiles = attemptFiles(`${root}/${spec.attemptId}`, spec.runId);
  mkdirSync(files.metricsDir, { recursive: true });
  const env = payloadEnvironment({ agentEnv: process.env, spec, files, gpuIds: undefined });
  const signal = new AbortController().signal;
  return { files, spec, env, jobEnv: spec.env, gpuIds: undefined, workingDir: spec.workingDir, signal };
}
