import { z } from 'zod';

const instant = z.iso.datetime();

/** Checkpoints that one attempt may record. */
export const MAX_CHECKPOINTS_PER_ATTEMPT = 10_000;

/** Values that are no numbers, such as NaN as Python writes it, say nothing: the metric is unknown. */
const metrics = z
  .record(z.string().min(1).max(250), z.union([z.number(), z.null(), z.string(), z.boolean()]))
  .transform((given) => {
    const known = Object.entries(given).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
    );
    return Object.fromEntries(known);
  });

/** A line of checkpoints.jsonl, by which a program records what it did with a model checkpoint. */
export const checkpointRecord = z.strictObject({
  /** File or directory; relative to the working directory. */
  path: z.string().min(1).max(4096),
  step: z.int().min(0).nullish(),
  epoch: z.number().min(0).nullish(),
  metrics: metrics.default({}),
  /** `saved`: it is new. `evaluated`: only its metrics are. `deleted`: its files are gone. */
  action: z.enum(['saved', 'evaluated', 'deleted']).default('saved'),
});

/** What the agent reports of a line. */
export const reportedCheckpoint = z.strictObject({
  path: z.string().min(1).max(4096),
  step: z.int().min(0).nullable(),
  epoch: z.number().min(0).nullable().default(null),
  metrics: z.record(z.string().max(250), z.number()),
  sizeBytes: z.int().min(0),
  /** Of a file, or of all that is in a directory (docs/guides/training-jobs.md); null where it is not known. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable()
    .default(null),
  action: z.enum(['saved', 'evaluated', 'deleted']),
});
export type ReportedCheckpoint = z.infer<typeof reportedCheckpoint>;

/** What an agent asks when a program has ended: which checkpoints of its job have to go. */
export const askRetention = z.strictObject({
  checkpoints: z.array(reportedCheckpoint).max(MAX_CHECKPOINTS_PER_ATTEMPT),
});
export type AskRetention = z.input<typeof askRetention>;
export const retentionAnswer = z.object({ doomed: z.array(z.string()) });

export const modelCheckpoint = z.object({
  id: z.string(),
  jobId: z.string().nullable(),
  runId: z.string(),
  /** Path of the stage that has it in the run that is asked for; null once its run is deleted. */
  stage: z.string().nullable(),
  path: z.string(),
  step: z.int().nullable(),
  epoch: z.number().nullable(),
  metrics: z.record(z.string(), z.number()),
  sizeBytes: z.int(),
  sha256: z.string().nullable(),
  /** Since when somebody wants to keep it, whatever a policy says. */
  pinnedAt: instant.nullable(),
  createdAt: instant,
  /** Since when somebody wants it removed: its files go at the next occasion. */
  removalRequestedAt: instant.nullable(),
  /** Its files are gone since then. */
  deletedAt: instant.nullable(),
});
export type ModelCheckpoint = z.infer<typeof modelCheckpoint>;

export const listCheckpointsQuery = z.object({
  /** Also those whose files are deleted. */
  deleted: z
    .enum(['true', 'false'])
    .default('false')
    .transform((value) => value === 'true'),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
});
