import { z } from 'zod';
import { jsonValue } from './definition/values.ts';
import { pipelineVersionRef } from './pipelines-api.ts';

/** The name of a trigger or schedule: part of addresses and command lines. */
export const automationName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'must be 1 to 100 letters, digits, ".", "_" or "-"');

/** Params that one trigger, schedule or backfill may set. */
const MAX_PARAMS = 100;

/** Values for params; texts may hold `${{ … }}`. */
export const templateParams = z
  .record(z.string().max(200), jsonValue)
  .refine((params) => Object.keys(params).length <= MAX_PARAMS, `has more than ${MAX_PARAMS} params`);

/** Which registered pipeline to run; without a version the one that is the newest then. */
export const pipelineToRun = z.object({
  pipeline: z.string().min(1).max(200),
  version: pipelineVersionRef.default('latest'),
});
