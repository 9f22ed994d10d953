import { z } from 'zod';
import { paramSpecs } from './param-spec.ts';
import { jsonValue } from './values.ts';

/**
 * Makes a nested pipeline a unit of its own: expressions inside see the params that are declared here and
 * its own stages, and nothing of the pipeline around it. A stage that uses a template, a registered pipeline
 * or a file has this in the definition that is run.
 */
export const usedBody = z.strictObject({
  /** Where its stages came from: "train" (a template), "train-model@3", "./train.yaml". */
  from: z.string().min(1).max(4200),
  params: paramSpecs,
  /** Values for the params; may hold expressions, which see what is around. */
  given: z.record(z.string(), jsonValue).default({}),
  /** Directory that `workingDir` is relative to; relative to that of the pipeline around. */
  baseDir: z.string().min(1).max(4096).optional(),
});
export type UsedBody = z.infer<typeof usedBody>;
