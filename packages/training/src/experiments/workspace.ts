import { join, resolve } from 'node:path';
import type { TrialConfig } from '@trainyard/protocol';

/** What every level of an experiment has a directory for. */
export interface WorkspaceDirectories {
  readonly logs: string;
  readonly artifacts: string;
  readonly configs: string;
}

/** Directory of one run of a trial: `WORKSPACE/TRIAL/TRIAL-REPEAT`, from the directory of the experiment's files. */
export function trialDirectory({ workspace, trial, repeat }: TrialConfig, experimentDir = '.'): string {
  return resolve(experimentDir, workspace, trial.name, `${trial.name}-${repeat}`);
}

/** Of the experiment, a trial or a trial run, by the directory of that level. Makes none of them. */
export function workspaceDirectories(level: string): WorkspaceDirectories {
  return { logs: join(level, 'logs'), artifacts: join(level, 'artifacts'), configs: join(level, 'configs') };
}
