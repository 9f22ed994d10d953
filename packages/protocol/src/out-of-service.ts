import { z } from 'zod';

/** A slot that takes no job, because processes of its last one could not be ended. */
export const outOfServiceSlot = z.object({
  attemptId: z.string().max(100),
  /** GPUs that wait with it. */
  gpuIds: z.array(z.string().max(200)).max(1024),
  /** What is left. */
  reason: z.string().max(2000),
});
export type OutOfServiceSlot = z.infer<typeof outOfServiceSlot>;
