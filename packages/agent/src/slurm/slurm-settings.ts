import { slurmWord } from '@trainyard/protocol';
import { z } from 'zod';

/** Options of sbatch that are ours: they decide what a job is to us, and when it counts as over. */
const OUR_OPTIONS = new Set([
  ...[
    'array',
    'batch',
    'begin',
    'chdir',
    'clusters',
    'comment',
    'dependency',
    'error',
    'export',
    'export-file',
  ],
  ...[
    'get-user-env',
    'help',
    'hold',
    'input',
    'job-name',
    'kill-on-invalid-dep',
    'no-requeue',
    'ntasks',
    'ntasks-per-node',
  ],
  ...['open-mode', 'output', 'parsable', 'quiet', 'requeue', 'signal', 'test-only', 'uid', 'gid', 'usage'],
  ...['version', 'wait', 'wrap', 'gres', 'gpus', 'nodes', 'bb', 'bbf', 'propagate'],
]);

/** `--name` or `--name=value`, handed to sbatch as one argument. */
const option = z
  .string()
  .max(1000)
  .regex(/^--[a-z][a-z0-9-]*(=[^\0\n]*)?$/, 'write --name or --name=value')
  .refine(
    (text) => !OUR_OPTIONS.has(text.slice(2).split('=')[0]!),
    'this option of sbatch is set by Trainyard',
  );

/** How an agent uses a Slurm cluster. */
export const slurmSettings = z.strictObject({
  /** For jobs that name none. Left out: the cluster's default. */
  partition: slurmWord.optional(),
  account: slurmWord.optional(),
  qos: slurmWord.optional(),
  /** More options of sbatch, such as `--constraint=a100`. */
  options: z.array(option).max(50).default([]),
  /** Where everything of ours is; login node and compute nodes see it under this path. */
  workingDir: z
    .string()
    .min(1)
    .max(4096)
    .regex(/^[^%\\\n]*$/, 'Slurm cannot use a path with "%" or "\\"')
    .default('~/trainyard_jobs'),
  condaEnv: z.string().max(250).optional(),
  /** How long before the time limit a program gets TERM; Slurm itself may add up to a minute. */
  warnSeconds: z.int().min(1).max(65_535).default(60),
});
export type SlurmSettings = z.infer<typeof slurmSettings>;
