import { z } from 'zod';

/** Which metric is judged, and how. */
export const judged = {
  metric: z.string().min(1).max(250),
  goal: z.enum(['min', 'max']).default('min'),
};

/**
 * Ends items of a foreach that are worse than others were at the same step: asynchronous successive halving (ASHA;
 * Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020), the variant that stops.
 */
export const earlyStopping = z.strictObject({
  ...judged,
  /** The first step at which items are compared; then at `factor` times that, and so on. */
  minSteps: z.int().min(1).max(1e12),
  /** One of so many goes on. */
  factor: z.int().min(2).max(100).default(3),
  /** Nothing is compared from this step on. */
  maxSteps: z.int().min(1).max(1e12).optional(),
});
export type EarlyStoppingDefinition = z.infer<typeof earlyStopping>;

/** A stage of kind `select_best`: which of the runs of another stage was the best by a metric. */
export const selectBest = z.strictObject({
  /** The stage whose runs are compared, all below it. */
  from: z.string().min(1).max(100),
  ...judged,
  /** The last value of each run, or its best. */
  of: z.enum(['last', 'best']).default('last'),
});
export type SelectBestDefinition = z.infer<typeof selectBest>;
