import { z } from 'zod';

/** Limits of requests that name stages. */
export const RERUN_LIMITS = { maxStages: 1000, maxPathLength: 2000 } as const;

/** Paths of stages, such as "sweep/large". */
export const stagePaths = z
  .array(z.string().min(1).max(RERUN_LIMITS.maxPathLength))
  .min(1)
  .max(RERUN_LIMITS.maxStages);

/** A run that has ended is run again: what had ended well is kept, unless the request says otherwise. */
export const retryRun = z
  .strictObject({
    /** These stages run again, too, with everything that depends on them. */
    stages: stagePaths.optional(),
    /** Everything runs again. */
    all: z.boolean().default(false),
    /** Other values for params; what names one of them in an expression runs again. */
    params: z.record(z.string(), z.unknown()).default({}),
    /** Cached stages that have to run again do run. */
    noCache: z.boolean().default(false),
    /** Answers what the run would do, and stores nothing. */
    dryRun: z.boolean().default(false),
  })
  .refine((body) => !body.all || body.stages === undefined, {
    message: 'give "stages" or "all", not both',
  });
export type RetryRun = z.input<typeof retryRun>;
