import { z } from 'zod';
import { FAILURE_CLASSES, type FailureClass } from './failure-class.ts';

export const failureClass = z.enum(Object.keys(FAILURE_CLASSES) as [FailureClass, ...FailureClass[]]);

/** What an agent says of a failed attempt beside its error. */
export const attemptFailure = z.object({
  class: failureClass,
  /** Of the log pattern that matched. */
  label: z.string().max(100).optional(),
  /** Another try would end the same way. */
  noRetry: z.boolean().optional(),
  /** The next attempt is to keep away from this agent. */
  excludeAgent: z.boolean().optional(),
});
export type AttemptFailure = z.infer<typeof attemptFailure>;
