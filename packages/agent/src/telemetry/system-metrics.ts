import type { GpuSample } from './gpu-rows.ts';
import type { MachineSample } from './machine-reader.ts';
import type { ProcessUsage } from './process-usage.ts';

/** What is known of an attempt and its machine at one moment. */
export interface SystemSample {
  readonly machine: MachineSample;
  readonly gpus: readonly GpuSample[];
  readonly usage: ProcessUsage | undefined;
  /** Processor time per time, of the attempt's processes; 1 is one core. */
  readonly cores: number | undefined;
}

/**
 * Metrics by key, as docs/guides/agents.md lists them. Percentages are 0 to 100, except that of the
 * attempt's own processes, where 100 is one core.
 */
export function systemMetrics({ machine, gpus, usage, cores }: SystemSample): Record<string, number> {
  const values: Record<string, number | null | undefined> = {
    'system/cpu/utilization_percent': machine.cpu,
    'system/memory/used_bytes': machine.memoryUsedBytes,
    'system/memory/used_percent': (100 * machine.memoryUsedBytes) / machine.memoryTotalBytes,
    'system/disk/used_percent': percent(machine.diskUsedBytes, machine.diskTotalBytes),
    'system/disk/read_bytes_per_second': machine.diskReadPerSecond,
    'system/disk/written_bytes_per_second': machine.diskWrittenPerSecond,
    'system/network/received_bytes_per_second': machine.networkReceivedPerSecond,
    'system/network/sent_bytes_per_second': machine.networkSentPerSecond,
    'system/process/cpu_percent': cores === undefined ? undefined : 100 * cores,
    'system/process/memory_bytes': usage?.memoryBytes,
    'system/process/count': usage?.processes,
  };
  for (const gpu of gpus) {
    const key = `system/gpu/${gpu.index}`;
    values[`${key}/utilization_percent`] = gpu.utilization;
    values[`${key}/memory_used_bytes`] = gpu.memoryUsedBytes;
    values[`${key}/memory_used_percent`] = percent(gpu.memoryUsedBytes, gpu.memoryTotalBytes);
    values[`${key}/power_watts`] = gpu.powerWatts;
    values[`${key}/temperature_celsius`] = gpu.temperatureCelsius;
  }
  const known = Object.entries(values).flatMap(([key, value]): [string, number][] =>
    typeof value === 'number' && Number.isFinite(value) ? [[key, rounded(value)]] : [],
  );
  return Object.fromEntries(known);
}

function percent(part: number | null, whole: number | null): number | null {
  return part === null || whole === null || whole <= 0 ? null : (100 * part) / whole;
}

/** Digits beyond these are noise, and cost room in every point. */
function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
