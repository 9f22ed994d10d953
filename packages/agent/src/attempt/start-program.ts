import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { AgentClient } from '@trainyard/client';
import type { AttemptFiles, AttemptSpec, RunError } from '@trainyard/protocol';
import { type Executor, type RunningAttempt, StartError } from '../executor.ts';
import type { StartGroup } from '../link/start-groups.ts';
import { writeAtomically } from '../local/write-atomically.ts';
import type { AttemptRunnerOptions } from './attempt-runner-options.ts';
import { withSecrets } from './attempt-secrets.ts';
import type { AttemptJournal } from './attempt-state.ts';
import { kernelOomKills } from './oom-evidence.ts';
import { payloadEnvironment } from './payload-environment.ts';
import { withProgramToken } from './program-token.ts';
import { linkTrainingMetrics } from './training-files.ts';

/** Prepares the attempt directory and starts the program. @throws StartError, or the signal's reason */
export async function startProgram(options: {
  readonly executor: Executor;
  readonly spec: AttemptSpec;
  readonly files: AttemptFiles;
  readonly journal: AttemptJournal;
  readonly gpuIds: readonly string[];
  /** GPUs of the agent in all; 0 leaves CUDA_VISIBLE_DEVICES alone. */
  readonly gpus: number;
  readonly group: StartGroup | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly client: AgentClient;
  /** True when somebody else may have the work by now: this process has stood still, or preparing took so long. */
  readonly isOverdue: () => boolean;
  /** Fires when it is not to be started any more. */
  readonly signal: AbortSignal;
}): Promise<RunningAttempt> {
  const { executor, spec, files, journal, gpuIds, group, client, signal } = options;
  if (executor.usesAttemptDir) {
    await mkdir(files.metricsDir, { recursive: true });
    await linkTrainingMetrics(spec, files);
    await writeAtomically(files.params, JSON.stringify(spec.params));
    await journal.update({
      gpuIds: [...gpuIds],
      startedAtMs: Date.now(),
      oomKillsBefore: kernelOomKills() ?? null,
    });
  }
  signal.throwIfAborted();
  const access = { client, token: journal.token, signal };
  const filled = await withProgramToken(await withSecrets(spec, access), access);
  const shown = options.gpus > 0 ? gpuIds : undefined;
  const workingDir = resolve(spec.workingDir);
  if (options.isOverdue())
    throw new StartError('partitioned', 'the lease ran out before the start; not started');
  return executor.start({
    files,
    spec,
    // Only for who asks for it: what starts no process here does not.
    get env() {
      return payloadEnvironment({ agentEnv: options.env, spec: filled, files, gpuIds: shown });
    },
    jobEnv: filled.env,
    gpuIds: shown,
    group,
    workingDir,
    signal,
  });
}

/** Notes why a program could not be started, for the report. */
export async function noteStartError(
  error: unknown,
  { log, spec, journal }: Pick<AttemptRunnerOptions, 'log' | 'spec' | 'journal'>,
): Promise<RunError> {
  const startError = startErrorOf(error);
  await journal.update({ startError });
  log.warn({ attemptId: spec.attemptId, error: startError.message }, 'could not start');
  return startError;
}

function startErrorOf(error: unknown): RunError {
  if (error instanceof StartError) return error.runError;
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'start_failed', message: `the program could not be started: ${message}` };
}
