import { z } from 'zod';

/** Lines of a stream of metrics that could not be read: all are counted, the first are kept. */
export const refusedLines = z.object({
  runId: z.string(),
  path: z.string(),
  attempt: z.int(),
  /** `metrics`: the program's file; `reported`: what it sent itself; `system`: the agent's telemetry. */
  stream: z.string(),
  lines: z.int(),
  first: z.array(
    z.object({
      /** In the stream, from 1 on. */
      line: z.int(),
      /** Byte offset of its begin. */
      offset: z.number(),
      problem: z.string(),
    }),
  ),
});
export type RefusedLines = z.infer<typeof refusedLines>;
