import { z } from 'zod';
import type { SlurmRequest } from '../slurm-request.ts';
import { gpuType, slurmWord } from '../slurm-request.ts';
import { duration, name } from './values.ts';

/** Where on a host a program runs, and on which one. */
export const sshPlace = z.strictObject({
  /** As `trainyard hosts add` has named it. Left out: whichever is free. */
  host: name.optional(),
  /** Directory of the host to run in. Left out: the working directory is sent there, and the job gets a copy. */
  dir: z.string().min(1).max(4096).optional(),
  condaEnv: name.optional(),
});
export type SshPlace = z.infer<typeof sshPlace>;

/** What a job asks of a Slurm cluster. */
export const slurmPlace = z.strictObject({
  /** Name of the cluster, as its agent has it. Left out: any. */
  cluster: name.optional(),
  partition: slurmWord.optional(),
  account: slurmWord.optional(),
  qos: slurmWord.optional(),
  /** Longest time that Slurm lets the job run; then another attempt follows. */
  time: duration.refine((ms) => ms > 0, '0 is no time').optional(),
  cpus: z.int().min(1).max(100_000).optional(),
  /** As for `sbatch --mem`: megabytes, or with K, M, G or T. */
  memory: z
    .string()
    .regex(/^\d{1,12}[KMGT]?$/, 'write for example 16G')
    .optional(),
  /** Which GPUs, by their type in the cluster; how many is in `resources`. Left out: any. */
  gpuType: gpuType.optional(),
  /** Each with the processors, memory and GPUs that the job asks for. The program runs on the first, srun on all. */
  nodes: z.int().min(1).max(1000).optional(),
  /** Of what srun starts in the job; 1 unless given. */
  tasksPerNode: z.int().min(1).max(1024).optional(),
  /** Directory that nodes and login node share, to run in. Left out: the working directory is sent. */
  dir: z.string().min(1).max(4096).optional(),
  condaEnv: name.optional(),
});
export type SlurmPlace = z.infer<typeof slurmPlace>;

/** How an agent runs a job: on its own machine, on another one over SSH, or in a Slurm cluster. */
export const executor = z.union([
  z.enum(['local', 'ssh', 'slurm']),
  z.strictObject({ ssh: sshPlace }),
  z.strictObject({ slurm: slurmPlace }),
]);
export type ExecutorDefinition = z.infer<typeof executor>;

/** What an agent is told of it. */
export interface ExecutorPlace {
  /** `local`, `ssh`, `slurm`, or one of these with `:` and the name of a host or cluster. */
  readonly executor: string;
  readonly remote?: {
    readonly dir?: string | undefined;
    readonly condaEnv?: string | undefined;
    readonly slurm?: SlurmRequest;
  };
}

/** @param stageTimeoutMs for jobs in Slurm that name no time */
export function executorPlace(given: ExecutorDefinition, stageTimeoutMs?: number): ExecutorPlace {
  if (given === 'local') return { executor: 'local' };
  if (given === 'slurm') return slurmJobPlace({}, stageTimeoutMs);
  if (typeof given === 'object' && 'slurm' in given) return slurmJobPlace(given.slurm, stageTimeoutMs);
  const { host, dir, condaEnv } = given === 'ssh' ? ({} as SshPlace) : given.ssh;
  const remote = { ...(dir === undefined ? {} : { dir }), ...(condaEnv === undefined ? {} : { condaEnv }) };
  const executor = host === undefined ? 'ssh' : `ssh:${host}`;
  return Object.keys(remote).length === 0 ? { executor } : { executor, remote };
}

function slurmJobPlace(place: SlurmPlace, stageTimeoutMs: number | undefined): ExecutorPlace {
  const { cluster, dir, condaEnv, time, ...asked } = place;
  // Ours fires first: that is an end by the stage's own rule, and not a loss.
  const limitMs = time ?? (stageTimeoutMs === undefined ? undefined : stageTimeoutMs + OWN_TIMEOUT_FIRST_MS);
  const timeMinutes = limitMs === undefined ? undefined : Math.ceil(limitMs / 60_000);
  const slurm = defined({ ...asked, timeMinutes });
  const remote = defined({ dir, condaEnv, slurm: Object.keys(slurm).length === 0 ? undefined : slurm });
  const executor = cluster === undefined ? 'slurm' : `slurm:${cluster}`;
  return Object.keys(remote).length === 0 ? { executor } : { executor, remote };
}

const OWN_TIMEOUT_FIRST_MS = 120_000;

function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/**
 * The queue in which work for an executor waits: that of its name for the agent's own machine, `queue@executor`
 * for others. So only agents take it that have the executor, and none has to look at work that it cannot run.
 */
export function executorQueue(queue: string, executorName: string): string {
  return executorName === 'local' ? queue : `${queue}@${executorName}`;
}
