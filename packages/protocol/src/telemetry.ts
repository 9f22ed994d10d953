import { z } from 'zod';

const measured = z.number().nullable();
/** How busy a machine was at a moment; what is not known is null. Percent are 0 to 100. */
export const machineTelemetry = z.object({
  /** Epoch milliseconds. */
  at: z.number(),
  machine: z.object({
    cpu: measured,
    memoryUsedBytes: z.number(),
    memoryTotalBytes: z.number(),
    diskUsedBytes: measured,
    diskTotalBytes: measured,
    diskReadPerSecond: measured,
    diskWrittenPerSecond: measured,
    networkReceivedPerSecond: measured,
    networkSentPerSecond: measured,
  }),
  gpus: z
    .array(
      z.object({
        index: z.int(),
        uuid: z.string().max(200).nullable(),
        name: z.string().max(200).nullable(),
        utilization: measured,
        memoryUsedBytes: measured,
        memoryTotalBytes: measured,
        powerWatts: measured,
        temperatureCelsius: measured,
      }),
    )
    .max(1024),
});
export type MachineTelemetry = z.infer<typeof machineTelemetry>;
