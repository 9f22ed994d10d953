import { z } from 'zod';
import { answeredJson } from '../definition/values.ts';

/** Changes of the params of a running job, by the older training API. */

export const updateJobParams = z
  .strictObject({
    learning_rate: z.number().positive().max(1000).optional(),
    batch_size: z.int().min(1).max(1_000_000).optional(),
    gradient_accumulation_steps: z.int().min(1).max(1_000_000).optional(),
    warmup_steps: z.int().min(0).max(1_000_000_000).optional(),
  })
  .refine((params) => Object.keys(params).length > 0, {
    message: 'give at least one of learning_rate, batch_size, gradient_accumulation_steps and warmup_steps',
  });

const answeredParams = z.record(z.string(), answeredJson);

export const jobParamUpdate = z.object({
  revision: z.int(),
  /** What was asked for. */
  params: answeredParams,
  /** `superseded`: the program has answered a later change, which has the values of this one as well. */
  state: z.enum(['pending', 'answered', 'superseded']),
  /** The values that the program goes on with, and why it did not take others. */
  accepted: answeredParams.nullable(),
  rejected: z.record(z.string(), z.string()).nullable(),
  /** Where the training stood when the program answered. */
  step: z.number().nullable(),
  requested_by: z.string().nullable(),
  requested_at: z.iso.datetime(),
  answered_at: z.iso.datetime().nullable(),
});
export type JobParamUpdate = z.infer<typeof jobParamUpdate>;

export const jobParamsUpdated = z.object({
  success: z.literal(true),
  job_id: z.string(),
  update: jobParamUpdate,
});

/** What a program that has its token looks at now and then. */
export const jobParams = z.object({
  job_id: z.string(),
  /** Of the newest change; 0: there was none. */
  revision: z.int(),
  /** All values that were asked for since the job began, the newest of each. */
  params: answeredParams,
  /** The newest changes, the last one first. */
  updates: z.array(jobParamUpdate),
});
export const jobParamsAnswered = z.object({ success: z.literal(true) });
