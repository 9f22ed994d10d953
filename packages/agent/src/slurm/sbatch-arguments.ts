import type { AttemptSpec } from '@trainyard/protocol';
import type { BatchLaunch } from '../remote/attempt-control.ts';
import type { SlurmSettings } from './slurm-settings.ts';

/**
 * Options for sbatch, each one argument. What the job asks for comes after what the agent is set to. Pure.
 * @param job by its name it is found again when the answer to the submit was lost; what Slurm says is in its `dir`
 */
export function sbatchArguments(
  spec: AttemptSpec,
  job: { readonly name: string; readonly dir: string },
  settings: SlurmSettings,
): string[] {
  const { partition, account, qos, options, warnSeconds } = settings;
  const asked = spec.remote?.slurm ?? {};
  const named = {
    partition: asked.partition ?? partition,
    account: asked.account ?? account,
    qos: asked.qos ?? qos,
    'cpus-per-task': asked.cpus,
    mem: asked.memory,
    time: asked.timeMinutes,
    gres: spec.gpus > 0 ? gpuRequest(spec.gpus, asked.gpuType) : undefined,
  };
  return [
    ...options,
    ...Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`])),
    `--job-name=${job.name}`,
    '--parsable',
    `--nodes=${asked.nodes ?? 1}`,
    // Of what srun starts in the job; the job itself runs on its first node.
    `--ntasks-per-node=${asked.tasksPerNode ?? 1}`,
    // Our engine tries again; a job that Slurm starts anew by itself would be one attempt twice.
    '--no-requeue',
    '--open-mode=append',
    `--output=${job.dir}/slurm.out`,
    '--chdir=/',
    '--export=ALL',
    // To the script only, which hands it on. Never USR1: NCCL uses it.
    `--signal=B:TERM@${warnSeconds}`,
  ];
}

/** For each node. */
function gpuRequest(count: number, type: string | undefined): string {
  return type === undefined ? `gpu:${count}` : `gpu:${type}:${count}`;
}

/** What the script of a job is told. */
export function jobArguments({ spec, remote, workingDir, condaEnv }: BatchLaunch): string[] {
  const graceSeconds = Math.ceil(spec.graceMs / 1000);
  return [remote.dir, workingDir, condaEnv, spec.attemptId, String(graceSeconds), String(spec.gpus)];
}
