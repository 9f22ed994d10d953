import { z } from 'zod';
import { agentProgram } from './agent-program.ts';
import { name, soleExpression } from './values.ts';

const MAX_KEPT = 100_000;

const count = z.int().min(0).max(MAX_KEPT);
const flag = z.boolean();
const { queue: _, ...program } = agentProgram;

const base = {
  job: z.string().min(1).max(1000),
  metric: z.string().min(1).max(250).default('eval_loss'),
  direction: z.enum(['min', 'max']).default('min'),
  /** What becomes of a checkpoint without a value of the metric. */
  missingMetric: z.enum(['keep', 'delete']).default('keep'),
  /** The job's, unless set. */
  queue: name.optional(),
  ...program,
};

/** A stage of kind `cleanup_checkpoints`: deletes the checkpoints of a training job but the best and the last. */
export const cleanupCheckpoints = z.strictObject({
  ...base,
  keepBest: z
    .union([count, soleExpression('a count is a whole number, or one expression: ${{ … }}')])
    .default(3),
  keepLast: z
    .union([count, soleExpression('a count is a whole number, or one expression: ${{ … }}')])
    .default(0),
  dryRun: z.union([flag, soleExpression('true, false or one expression: ${{ … }}')]).default(false),
});
export type CleanupCheckpointsDefinition = z.infer<typeof cleanupCheckpoints>;

/** The same once its expressions are resolved. */
export const resolvedCleanup = z
  .strictObject({ ...base, keepBest: count, keepLast: count, dryRun: flag })
  .refine(({ keepBest, keepLast }) => keepBest + keepLast > 0, {
    message: 'with keepBest 0 and keepLast 0 no checkpoint would be left; keep at least one',
  });
export type ResolvedCleanup = z.infer<typeof resolvedCleanup>;
