import type { Sample } from './sample.ts';

/** Fewer say nothing. */
const MIN_SAMPLES = 10;
/** A part that is busy for this share of the time is a bottleneck. */
const MIN_SCORE = 0.5;
/** A GPU that waits while the processors are busy waits for data. */
const IDLE_GPU_PERCENT = 10;

/** Percent from which a part is busy. Above `critical` it is full. */
export interface Thresholds {
  readonly cpu: number;
  readonly memory: number;
  readonly gpu: number;
  readonly critical: number;
}
export const THRESHOLDS: Thresholds = { cpu: 90, memory: 90, gpu: 95, critical: 95 };

const ADVICE = {
  cpu: 'Give the program more processors, or do less on them: smaller pictures, cached preprocessing, fewer workers.',
  memory: 'Use smaller batches or stream the data; what does not fit is swapped out or killed.',
  gpu: 'The GPU is well used. To be faster, use lower precision, a smaller model, or more GPUs.',
  gpu_memory: 'Use smaller batches, accumulated gradients, lower precision or checkpointed activations.',
  data: 'The GPU waits for data: more workers of the loader, prefetching, or preprocessing before the training.',
} as const;
export type Resource = keyof typeof ADVICE;
export type Severity = 'busy' | 'critical';

export interface Bottleneck {
  readonly resource: Resource;
  /** Share of the samples in which it was busy. */
  readonly score: number;
  readonly severity: Severity;
  readonly advice: string;
}

/** What holds a training up, the worst first; nothing before there are ten samples. */
export function findBottlenecks(
  samples: readonly Sample[],
  thresholds: Thresholds = THRESHOLDS,
): Bottleneck[] {
  const { critical } = thresholds;
  return [
    judge(
      'data',
      samples.map((sample) => waitsForData(sample, thresholds)),
      0.5,
    ),
    judge(
      'cpu',
      samples.map((sample) => sample.cpu_percent),
      thresholds.cpu,
      critical,
    ),
    judge(
      'memory',
      samples.map((sample) => sample.memory_percent),
      thresholds.memory,
      critical,
    ),
    judge('gpu', samples.map(busiestGpu), thresholds.gpu),
    judge('gpu_memory', samples.map(fullestGpu), thresholds.memory, critical),
  ]
    .filter((each) => each !== undefined)
    .sort((a, b) => b.score - a.score);
}

/** Which parts are above their thresholds in this sample. */
export function alertsOf(sample: Sample, thresholds: Thresholds): Partial<Record<Resource, Severity>> {
  const values = [
    ['cpu', sample.cpu_percent, thresholds.cpu],
    ['memory', sample.memory_percent, thresholds.memory],
    ['gpu', busiestGpu(sample), thresholds.gpu],
    ['gpu_memory', fullestGpu(sample), thresholds.memory],
  ] as const;
  const alerts = values
    .filter(([, value, threshold]) => value !== undefined && value >= threshold)
    .map(([name, value]) => [name, value! > thresholds.critical ? 'critical' : 'busy'] as const);
  return Object.fromEntries(alerts);
}

function judge(
  resource: Resource,
  values: readonly (number | undefined)[],
  threshold: number,
  critical = Number.POSITIVE_INFINITY,
): Bottleneck | undefined {
  const known = values.filter((value) => value !== undefined);
  if (known.length < MIN_SAMPLES) return undefined;
  const score = known.filter((value) => value >= threshold).length / known.length;
  if (score < MIN_SCORE) return undefined;
  const isCritical = known.filter((value) => value > critical).length / known.length >= MIN_SCORE;
  const severity = isCritical ? 'critical' : 'busy';
  return { resource, score: Math.round(score * 1000) / 1000, severity, advice: ADVICE[resource] };
}

function waitsForData(sample: Sample, { cpu }: Thresholds): number | undefined {
  const gpu = busiestGpu(sample);
  if (gpu === undefined || sample.cpu_percent === undefined) return undefined;
  return Number(gpu < IDLE_GPU_PERCENT && sample.cpu_percent >= cpu);
}

function busiestGpu({ gpus }: Sample): number | undefined {
  return largest(gpus.map((gpu) => gpu.utilization_percent));
}

function fullestGpu({ gpus }: Sample): number | undefined {
  return largest(gpus.map((gpu) => gpu.memory_percent));
}

function largest(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}
