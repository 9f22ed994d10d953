/** What cannot be read is left out. */
export interface GpuSample {
  readonly index: number;
  readonly utilization_percent?: number;
  readonly memory_percent?: number;
  readonly memory_used_mb?: number;
  readonly temperature_celsius?: number;
  readonly power_watts?: number;
}

/** What is known of the machine at one moment; what cannot be read on it, or is not asked for, is left out. */
export interface Sample {
  /** Epoch milliseconds. */
  readonly time_ms: number;
  /** Of all processors, since the sample before. */
  readonly cpu_percent?: number;
  readonly memory_percent?: number;
  readonly memory_used_mb?: number;
  /** Of the program itself. */
  readonly program_memory_mb?: number;
  readonly gpus: readonly GpuSample[];
  /** Since the sample before, of all disks and of all network interfaces but the loopback. */
  readonly disk_read_mb_per_second?: number;
  readonly disk_write_mb_per_second?: number;
  readonly network_in_mb_per_second?: number;
  readonly network_out_mb_per_second?: number;
  readonly processes?: number;
  /** Processes that run or want to, as a mean of the last minute. */
  readonly load?: number;
}

/** Each quantity by its name; of the GPU with the number 0 the names begin with `gpu/0/`. */
export function numbersOf({ gpus, time_ms: _, ...rest }: Sample): Record<string, number> {
  const ofGpus = gpus.flatMap(({ index, ...values }) =>
    Object.entries(values).map(([name, value]) => [`gpu/${index}/${name}`, value as number] as const),
  );
  return { ...(rest as Record<string, number>), ...Object.fromEntries(ofGpus) };
}
