import { z } from 'zod';
import { command, environment, workingDir } from './definition/agent-program.ts';
import { jsonValue, name } from './definition/values.ts';

const instant = z.iso.datetime();

/** GPUs of a training where neither the stage nor the job says how many. */
export const DEFAULT_TRAINING_GPUS = 8;

const keptCount = z.int().min(0).max(100_000);

/** Which checkpoints of a job stay, decided whenever one comes. Like a clean-up stage, but always. */
export const retentionPolicy = z
  .strictObject({
    keepBest: keptCount.default(3),
    keepLast: keptCount.default(1),
    metric: z.string().min(1).max(250).default('eval_loss'),
    direction: z.enum(['min', 'max']).default('min'),
    missingMetric: z.enum(['keep', 'delete']).default('keep'),
  })
  .refine(({ keepBest, keepLast }) => keepBest + keepLast > 0, {
    message: 'with keepBest 0 and keepLast 0 no checkpoint would be left; keep at least one',
  });

const gpuCount = z.int().min(0).max(64);

/** A training job's file: which program trains, and with what. Shape and defaults: docs/guides/training-jobs.md */
export const trainingJobDefinition = z.strictObject({
  name,
  description: z.string().max(10_000).optional(),
  /** For people and for the program, for example sft, ppo, grpo, dpo. */
  algorithm: z.string().max(100).optional(),
  modelPath: z.string().max(4096).optional(),
  trainData: z.string().max(4096).optional(),
  evalData: z.string().max(4096).optional(),
  command,
  /** What `run_evaluation` runs. */
  evaluate: z.strictObject({ command, numGpus: gpuCount.default(0) }).optional(),
  /** Relative to the job's file, as `checkpointDir` is. */
  workingDir: workingDir.default('.'),
  env: environment.default({}),
  queue: name.default('default'),
  numGpus: gpuCount.default(DEFAULT_TRAINING_GPUS),
  /** What the program finds in its params file; a stage may change single values. */
  config: z.record(z.string(), jsonValue).default({}),
  /** Where the program puts checkpoints, if not into attempt directories: clean-up deletes in there, too. */
  checkpointDir: z.string().min(1).max(4096).optional(),
  /** Lines of its output that tell a step and numbers become metrics; a stage may say otherwise. */
  metricsFromLog: z.boolean().optional(),
  /** Left out: all checkpoints stay until a clean-up stage comes. */
  retention: retentionPolicy.optional(),
});
export type TrainingJobDefinition = z.infer<typeof trainingJobDefinition>;

export const trainingJob = trainingJobDefinition.extend({
  id: z.string(),
  /** Directory that its paths are relative to, on the machines that run it. */
  baseDir: z.string().nullable(),
  createdAt: instant,
  updatedAt: instant,
});
export type TrainingJob = z.infer<typeof trainingJob>;

export const saveTrainingJob = z
  .strictObject({
    /** The job file's text (YAML or JSON). */
    source: z
      .string()
      .max(1024 * 1024)
      .optional(),
    /** Or the job as JSON. */
    definition: z.record(z.string(), z.unknown()).optional(),
    /** Directory of the file; absolute. */
    baseDir: z.string().max(4096).optional(),
  })
  .refine((body) => (body.source === undefined) !== (body.definition === undefined), {
    message: 'give exactly one of "source" and "definition"',
  });
export type SaveTrainingJob = z.input<typeof saveTrainingJob>;

export const listTrainingJobsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  /** Name of the last job of the page before. */
  cursor: z.string().max(200).optional(),
});

/** GPUs of a training, for the scheduler and for the program alike: config, then job, then eight. */
export function trainingGpus(
  config: Readonly<Record<string, unknown>>,
  job: Pick<TrainingJobDefinition, 'numGpus'>,
): number {
  const own = config['num_gpus'] ?? config['numGpus'];
  return own === undefined || own === null ? job.numGpus : gpuCount.parse(own);
}
