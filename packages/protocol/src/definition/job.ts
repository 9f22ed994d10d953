import { z } from 'zod';
import { agentProgram, command, environment, reporting, resources, workingDir } from './agent-program.ts';
import { type ExecutorDefinition, executor } from './executor.ts';
import { duration, identifier } from './values.ts';

const MAX_ARTIFACTS = 100;

interface JobBody {
  readonly executor: ExecutorDefinition;
  readonly resources: { readonly gpus: number };
}

/** A stage of kind `job`: a program that an agent runs. */
export const job = z
  .strictObject({
    command,
    workingDir: workingDir.default('.'),
    env: environment.default({}),
    resources,
    executor: executor.default('local'),
    /** Files that the job leaves, by the name of the output that describes each: {path, sha256, sizeBytes}. */
    artifacts: z
      .record(identifier('an output'), z.string().min(1).max(4096))
      .default({})
      .refine((value) => Object.keys(value).length <= MAX_ARTIFACTS, {
        message: `a job has at most ${MAX_ARTIFACTS} artifacts`,
      }),
    ...agentProgram,
    ...reporting,
  })
  .check(refuseTypeWithoutGpus);
export type JobDefinition = z.infer<typeof job>;

function refuseTypeWithoutGpus({ value, issues }: z.core.ParsePayload<JobBody>): void {
  const { executor, resources } = value;
  if (typeof executor !== 'object' || !('slurm' in executor)) return;
  if (executor.slurm.gpuType === undefined || resources.gpus > 0) return;
  const message = `"gpuType" says which GPUs, but the job asks for none; say how many with "resources: { gpus: 1 }"`;
  issues.push({ code: 'custom', input: value, path: ['executor', 'slurm', 'gpuType'], message });
}

export const retry = z.strictObject({
  attempts: z.int().min(1).max(100),
  backoff: duration.default(1000),
  factor: z.number().min(1).max(100).default(2),
  maxBackoff: duration.default(600_000),
  /** Shortens each wait by up to this part of it, so that many do not try again at the same moment. */
  jitter: z.number().min(0).max(1).default(0),
  /**
   * What is tried again: `failed`, `timed_out`, `lost`, codes of errors such as `exit_code`, classes of failures, or
   * numbers, which are exit codes.
   */
  retryOn: z
    .array(z.union([z.string().min(1).max(100), z.int().min(1).max(255)]))
    .min(1)
    .max(100)
    .default(['failed']),
});
