import { createHash } from 'node:crypto';
import { SUPERVISOR_SCRIPT } from '../local/supervisor-script.ts';
import type { BatchLaunch } from '../remote/attempt-control.ts';
import { COMPLETE_LINE } from '../remote/start-payload.ts';
import { exportLines, shellQuote } from '../transport/shell-quote.ts';
import type { RemoteCall } from '../transport/transport.ts';
import { ARRAY_SCRIPT, SUBMIT_ARRAY_SCRIPT } from './array-scripts.ts';
import { jobArguments, sbatchArguments } from './sbatch-arguments.ts';
import { JOB_SCRIPT } from './slurm-scripts.ts';
import type { SlurmSettings } from './slurm-settings.ts';

/** The submit of several attempts, which ask for the same, as one array. Pure. */
export function arraySubmit(launches: readonly BatchLaunch[], settings: SlurmSettings): RemoteCall {
  const [first] = launches;
  const { layout } = first!;
  const name = arrayName(launches.map(({ spec }) => spec.attemptId));
  const dir = `${layout.base}/arrays/${name}`;
  const sbatch = sbatchArguments(first!.spec, { name, dir: `${dir}/%a` }, settings);
  return {
    script: SUBMIT_ARRAY_SCRIPT,
    args: [dir, layout.metricsDir, name, ...sbatch, `${dir}/array.sh`, dir],
    stdin: Buffer.from(arrayInput(launches)),
  };
}

/** The same for the same attempts: by it an array is found again. */
export function arrayName(attemptIds: readonly string[]): string {
  return `trainyard-${createHash('sha256').update(attemptIds.join(' ')).digest('hex').slice(0, 32)}`;
}

/** What sets attempts of a group apart that could be one array otherwise. */
export function arrayKey({ spec, condaEnv }: BatchLaunch, settings: SlurmSettings): string {
  return JSON.stringify([condaEnv, sbatchArguments(spec, { name: '', dir: '' }, settings)]);
}

/** Bytes that an attempt adds to the environment of its array: what it does not have in common with the others. */
export function ownBytes({ spec, payload }: BatchLaunch): number {
  return Buffer.byteLength(exportLines(picked(payload.env, (name) => Object.hasOwn(spec.env, name))));
}

/**
 * Values of a job's own environment, which may be secret, are in the environment of sbatch only: once when all
 * have them, else by index. What comes from us, and the command, is in a file of the attempt.
 */
function arrayInput(launches: readonly BatchLaunch[]): string {
  const [first] = launches;
  const isCommon = (name: string) =>
    launches.every(
      ({ spec, payload }) => Object.hasOwn(spec.env, name) && payload.env[name] === first!.payload.env[name],
    );
  const common = picked(first!.payload.env, isCommon);
  const tasks = launches.map((launch, index) => taskLine(launch, index));
  const own = launches.map(({ spec, payload }, index) => {
    const values = picked(payload.env, (name) => Object.hasOwn(spec.env, name) && !isCommon(name));
    const lines = exportLines(values);
    return lines === '' ? '' : `export TRAINYARD_PROGRAM_${index}=${shellQuote(lines)}\n`;
  });
  return [
    `trainyard_supervisor=${shellQuote(SUPERVISOR_SCRIPT)}\n`,
    `trainyard_job=${shellQuote(JOB_SCRIPT)}\n`,
    `trainyard_array=${shellQuote(ARRAY_SCRIPT)}\n`,
    `trainyard_program=${shellQuote(exportLines(common))}\n`,
    `trainyard_tasks() {\n${tasks.join('')}}\n`,
    `trainyard_own() {\n:\n${own.join('')}}\n`,
    COMPLETE_LINE,
  ].join('');
}

function taskLine(launch: BatchLaunch, index: number): string {
  const { spec, remote, payload, workingDir, sharedNames } = launch;
  const ours = picked(payload.env, (name) => !Object.hasOwn(spec.env, name));
  const text = [
    `trainyard_task=${shellQuote(`${exportLines(ours)}${payload.words}`)}\n`,
    `set -- ${jobArguments(launch).map(shellQuote).join(' ')}\n`,
  ].join('');
  const of = [spec.runId, String(spec.number)];
  const words = [remote.dir, spec.attemptId, ...of, workingDir, payload.params, text, ...sharedNames];
  return `task ${index} ${words.map(shellQuote).join(' ')}\n`;
}

function picked(
  env: Readonly<Record<string, string>>,
  isWanted: (name: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => isWanted(name)));
}
