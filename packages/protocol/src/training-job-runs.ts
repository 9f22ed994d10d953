import { z } from 'zod';
import { jsonValue, name } from './definition/values.ts';
import { idCursor } from './page-cursor.ts';
import { RUN_STATUSES } from './run-status.ts';

/** Runs of a registered training job: started, steered and looked at by the job. */

export const startTrainingJob = z.strictObject({
  /** Changes of the job's config, as a JSON merge patch. */
  config: z.record(z.string(), jsonValue).default({}),
  /** A path, or `latest` or `best` of the job's checkpoints. */
  checkpoint: z.string().min(1).max(4096).optional(),
});
export type StartTrainingJob = z.input<typeof startTrainingJob>;

/** At most one of the three; none: a paused run goes on where it stands, else the latest checkpoint. */
export const resumeTrainingJob = z
  .strictObject({
    checkpoint_path: z.string().min(1).max(4096).optional(),
    checkpoint_step: z.int().min(0).optional(),
    latest: z.boolean().optional(),
  })
  .refine(
    (body) => Object.values(body).filter((value) => value !== undefined && value !== false).length < 2,
    {
      message: 'give only one of "checkpoint_path", "checkpoint_step" and "latest"',
    },
  );
export type ResumeTrainingJob = z.input<typeof resumeTrainingJob>;

export const trainingJobRun = z.object({
  /** The run of the stage that trains. */
  runId: z.string(),
  rootId: z.string(),
  status: z.enum(RUN_STATUSES),
  checkpoint: z.string().nullable(),
  createdAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
});
export type TrainingJobRun = z.infer<typeof trainingJobRun>;

export const listJobRunsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(100),
  /** Id of the last run of the page before. */
  cursor: idCursor('run'),
});

export const trainingJobConfig = z.object({
  /** What the next run would find as its params, with every default. */
  config: z.record(z.string(), z.unknown()),
  /** What the newest run found. */
  effective: z.record(z.string(), z.unknown()).nullable(),
  effectiveRunId: z.string().nullable(),
});
export type TrainingJobConfig = z.infer<typeof trainingJobConfig>;

export const cloneTrainingJob = z.strictObject({ name });
