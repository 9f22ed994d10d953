import { z } from 'zod';
import { DATASET_NAME_RULE, isDatasetName } from '../dataset-name.ts';
import { agentProgram } from './agent-program.ts';
import { DEFINITION_LIMITS } from './limits.ts';
import { PREPROCESS_LIMITS } from './stage-limits.ts';
import { jsonValue } from './values.ts';

const column = z.string().min(1).max(1000);
const columns = z.array(column).min(1).max(10_000);
const format = z.enum(['csv', 'json', 'jsonl']);
const amount = z.int().min(1).max(1_000_000_000);
const fraction = z.number().gt(0).max(1);

/** Name of a file and end of a dataset's name. */
const splitName = z
  .string()
  .max(DEFINITION_LIMITS.maxNameLength)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_-]*$/, 'a split has a name of letters, digits, "_" and "-"');

/** Leaves room for the name of a split. */
const MAX_OUTPUT_NAME = 150;

/** What is done with the rows, in the order of these keys. */
export const preprocessConfig = z.strictObject({
  /** By the end of the file's name, unless set. */
  format: format.optional(),
  /** Keeps these columns, in this order. */
  select: columns.optional(),
  drop: columns.optional(),
  /** Old name to new name. */
  rename: z.record(column, column).optional(),
  /** Rows without a value in one of these columns, or in any. */
  dropNulls: z.union([z.boolean(), columns]).default(false),
  /** Comparisons such as "score >= 0.5"; a row has to meet all. */
  filter: z.array(z.string().min(1).max(2000)).max(100).default([]),
  min: z.record(column, z.number()).default({}),
  max: z.record(column, z.number()).default({}),
  /** Longest text of a column, in characters; longer ones lose their row. */
  maxLength: z.record(column, amount).default({}),
  /** The same, but the text is cut. */
  truncate: z.record(column, amount).default({}),
  /** Rows that are equal in these columns, or in all; the first one stays. */
  dropDuplicates: z.union([z.boolean(), columns]).default(false),
  /** For sample, shuffle and split. */
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0),
  /** Rows that are drawn at random and keep their order. */
  sample: z.union([z.strictObject({ rows: amount }), z.strictObject({ fraction })]).optional(),
  shuffle: z.boolean().default(false),
  /** Names to parts of the rows, for example {train: 0.8, val: 0.1, test: 0.1}. */
  split: z
    .record(splitName, fraction)
    .refine((parts) => Object.values(parts).reduce((sum, part) => sum + part, 0) <= 1 + 1e-9, {
      message: 'the parts of a split are together at most 1',
    })
    .refine((parts) => Object.keys(parts).length <= PREPROCESS_LIMITS.maxSplits, {
      message: `a split has at most ${PREPROCESS_LIMITS.maxSplits} parts`,
    })
    .optional(),
  output: z
    .strictObject({
      /** Of the dataset that is recorded; a split adds "-" and its name. */
      name: z.string().max(MAX_OUTPUT_NAME).refine(isDatasetName, DATASET_NAME_RULE).optional(),
      /** Relative to the pipeline file; the attempt directory, unless set. */
      dir: z.string().min(1).max(4096).optional(),
      format: format.optional(),
    })
    .default({}),
});
export type PreprocessConfig = z.infer<typeof preprocessConfig>;

function unknownStep(keys: readonly string[]): string {
  const known = Object.keys(preprocessConfig.shape).join(', ');
  return `config has no ${keys.map((key) => `"${key}"`).join(', ')}; known: ${known}`;
}

/** A stage of kind `preprocess_dataset`: makes dataset versions from one, without a program of the user's. */
export const preprocessDataset = z.strictObject({
  /** A dataset version `name` or `name@sha256…`, or a path that begins with "/", "./" or "../". */
  dataset: z.string().min(1).max(4096),
  config: z
    .record(z.string(), jsonValue)
    .default({})
    .check((context) => {
      // With expressions it can only be judged once they are resolved.
      if (JSON.stringify(context.value).includes('${{')) return;
      const parsed = preprocessConfig.safeParse(context.value);
      for (const issue of parsed.error?.issues ?? []) {
        const message = issue.code === 'unrecognized_keys' ? unknownStep(issue.keys) : issue.message;
        context.issues.push({ code: 'custom', input: context.value, path: issue.path, message });
      }
    }),
  ...agentProgram,
});
export type PreprocessDatasetDefinition = z.infer<typeof preprocessDataset>;
