import { z } from 'zod';
import { jsonValue } from './definition/values.ts';

/** What a program reports by itself, and what it is told while it runs. */

/** The token that an agent puts into the environment of a program that asks for one. */
export const jobTokenMade = z.object({ token: z.string() });

const MAX_CHANGED_PARAMS = 100;

/** Values by the names of params. */
export const changedParams = z
  .record(z.string().min(1).max(250), jsonValue)
  .refine((value) => Object.keys(value).length <= MAX_CHANGED_PARAMS, {
    message: `at most ${MAX_CHANGED_PARAMS} params are changed at once`,
  });

const revision = z.int().min(1).max(1_000_000);

/**
 * What the agent writes into the file `params-update.json` of an attempt, whole at once: all changes that were
 * asked for since the program's run began, the newest value of each.
 */
export const paramUpdate = z.object({ revision, params: changedParams });
export type ParamUpdate = z.infer<typeof paramUpdate>;

/** What a program says of a change: in the file `params-update.ack.json`, or with the token of its job. */
export const paramAnswer = z.object({
  /** Of the change that it has looked at. */
  revision,
  /** The values that it goes on with. */
  accepted: changedParams.default({}),
  /** Why it does not take the others, by their names. */
  rejected: z.record(z.string().max(250), z.string().max(1000)).default({}),
  step: z.number().nullish(),
});
export type ParamAnswer = z.infer<typeof paramAnswer>;
