import { z } from 'zod';
import { DATASET_NAME_RULE, isDatasetName, MAX_DATASET_NAME } from './dataset-name.ts';

/** The part of a dataset that was in effect, so that no rows are left out in silence. */
export const datasetSplit = z.strictObject({
  /** Such as train, evaluation, all. */
  name: z.string().min(1).max(100),
  /** Of the rows. */
  fraction: z.number().min(0).max(1).optional(),
  seed: z
    .int()
    .min(0)
    .max(2 ** 53 - 1)
    .optional(),
  /** Who decided: a request, a default, … */
  chosenBy: z.string().min(1).max(100).optional(),
});
export type DatasetSplit = z.infer<typeof datasetSplit>;

/** What a dataset may be called from now on. */
export const newDatasetName = z.string().refine(isDatasetName, DATASET_NAME_RULE);

export const datasetRecord = z.strictObject({
  name: newDatasetName,
  path: z.string().min(1).max(4096),
  role: z.enum(['input', 'output']).default('output'),
  rows: z.int().min(0).optional(),
  split: datasetSplit.optional(),
});
/** What the agent reports of a dataset line once it has hashed the file. */
export const reportedDataset = datasetRecord.extend({
  /** The agent has checked it, unless it is one from before there was a rule; then its report must not be lost. */
  name: z.string().min(1).max(MAX_DATASET_NAME),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  sizeBytes: z.int().min(0),
  /** What the agent could tell of its content. */
  format: z.string().max(20).optional(),
  columns: z
    .array(z.object({ name: z.string().max(1000), type: z.string().max(100_000) }))
    .max(2000)
    .optional(),
});
export type ReportedDataset = z.infer<typeof reportedDataset>;
