import { z } from 'zod';
import { jobParamUpdate } from './compat/training-params.ts';
import { changedParams } from './program-reports.ts';

/** Params of a job that runs, changed by people. Names beginning with `trainyard.` ask for something else than a value. */
export const RUN_REQUESTS = {
  /** Any new value: save a checkpoint now. */
  save: 'trainyard.save',
  /** A text: end early, stopped, with this reason. */
  stop: 'trainyard.stop',
} as const;

export const changeRunParams = z.strictObject({
  /** Path of a stage below the run, such as "sweep/large"; left out where the run has one job only. */
  stage: z.string().min(1).max(4096).optional(),
  params: changedParams.refine((params) => Object.keys(params).length > 0, {
    message: 'name at least one param',
  }),
});

export const runParamChange = jobParamUpdate
  .omit({ requested_by: true, requested_at: true, answered_at: true })
  .extend({
    /** The job that was asked. */
    runId: z.string(),
    requestedBy: z.string().nullable(),
    requestedAt: z.iso.datetime(),
    answeredAt: z.iso.datetime().nullable(),
  });
export type RunParamChange = z.infer<typeof runParamChange>;
export const runParamChanges = z.object({ items: z.array(runParamChange) });
