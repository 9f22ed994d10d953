import { StartError } from '../executor.ts';
import type { CallResult } from '../transport/transport.ts';

/** What exit codes of the scripts mean that fence and launch. */
export const FENCE_FAULTS: Readonly<Record<number, string>> = {
  67: 'superseded',
  71: 'earlier_attempt_lives',
};
export const LAUNCH_FAULTS: Readonly<Record<number, string>> = {
  65: 'conda_env_missing',
  66: 'working_dir_missing',
  67: 'superseded',
  69: 'batch_refused',
};
const LAUNCH_WORDS: Readonly<Record<string, string>> = {
  conda_env_missing: 'the conda environment could not be activated',
  working_dir_missing: 'the working directory does not exist',
  batch_refused: 'the batch system refused the job',
  superseded: 'a later attempt of the run was started',
  earlier_attempt_lives: 'an earlier attempt of the run could not be ended, so that this one was not started',
  host_unusable: 'the working directory of the host cannot be used',
};

/** What a host says that did not start a program. @param host its name */
export function refusedStart(code: string, { exitCode, stderr }: CallResult, host: string): StartError {
  const said = stderr.trim().split('\n').slice(-5).join('\n');
  const what = LAUNCH_WORDS[code] ?? 'the program could not be started';
  return new StartError(code, `${what} on ${host} (exit code ${exitCode})${said === '' ? '' : `: ${said}`}`);
}
