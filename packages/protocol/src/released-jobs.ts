import { z } from 'zod';
import { olderJobStatus } from './compat/training-api.ts';

/** Attempts of an agent that gave their slots back for a pause. */
export const askReleasedJobs = z.object({ attemptIds: z.array(z.string().max(100)).max(1000) });

/** What has become of their jobs since; of an attempt whose run was deleted there is nothing. */
export const releasedJobsAnswer = z.object({
  items: z.array(
    z.object({
      attemptId: z.string(),
      status: olderJobStatus,
      endedAt: z.iso.datetime().nullable(),
    }),
  ),
});
export type ReleasedJob = z.infer<typeof releasedJobsAnswer>['items'][number];

/** What people ask for at the agent. */
export const steerReleased = z.object({ action: z.enum(['resume', 'cancel']) });
export type SteerReleased = z.infer<typeof steerReleased>;
export const releasedSteered = z.object({ accepted: z.literal(true) });
