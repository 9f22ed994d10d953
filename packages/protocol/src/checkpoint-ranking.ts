import type { ModelCheckpoint } from './model-checkpoints.ts';

export type MetricDirection = 'min' | 'max';

type Ranked = Pick<ModelCheckpoint, 'id' | 'step' | 'metrics'>;

/** Those with a finite value of the metric, best first; of equal ones the later comes first. */
export function rankCheckpoints<T extends Ranked>(
  checkpoints: readonly T[],
  { metric, direction }: { readonly metric: string; readonly direction: MetricDirection },
): T[] {
  const sign = direction === 'min' ? 1 : -1;
  const value = (checkpoint: T) => checkpoint.metrics[metric];
  return newestFirst(checkpoints.filter((each) => Number.isFinite(value(each)))).sort(
    (a, b) => sign * (value(a)! - value(b)!),
  );
}

/** By step, those without one last; of equal ones that which was recorded later comes first. */
export function newestFirst<T extends Ranked>(checkpoints: readonly T[]): T[] {
  return [...checkpoints].sort(
    (a, b) => (b.step ?? -1) - (a.step ?? -1) || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0),
  );
}
