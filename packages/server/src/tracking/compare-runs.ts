import type { RunComparison } from '@trainyard/protocol';
import { toMetricNumber } from '../ingest/metric-number.ts';
import type { Tag } from './experiments.ts';
import type { TrackedRun } from './read-runs.ts';

export interface ComparedRun {
  readonly run: TrackedRun;
  readonly params: readonly Tag[];
  readonly metrics: readonly ComparedMetric[];
}

/** Of a series: its newest point, and the range of its finite values. */
export interface ComparedMetric {
  readonly key: string;
  readonly last: number;
  readonly lastStep: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly points: number;
}

/** Puts runs side by side: params that differ first, and of each metric last and best value. */
export function compareRuns(runs: readonly ComparedRun[]): RunComparison {
  return {
    runs: runs.map(({ run }) => ({
      id: run.id,
      name: run.name,
      experimentId: run.experimentId,
      status: run.status,
      startedAt: new Date(run.startMs).toISOString(),
      endedAt: run.endMs === null ? null : new Date(run.endMs).toISOString(),
    })),
    params: compareParams(runs),
    metrics: keysOf(runs.map(({ metrics }) => metrics)).map((key) => compareMetric(key, runs)),
  };
}

function compareParams(runs: readonly ComparedRun[]): RunComparison['params'] {
  const byRun = runs.map(({ params }) => new Map(params.map(({ key, value }) => [key, value])));
  const rows = keysOf(runs.map(({ params }) => params)).map((key) => {
    const values = byRun.map((params) => params.get(key) ?? null);
    return { key, isDifferent: new Set(values).size > 1, values };
  });
  return [
    ...rows.filter(({ isDifferent }) => isDifferent),
    ...rows.filter(({ isDifferent }) => !isDifferent),
  ];
}

function compareMetric(key: string, runs: readonly ComparedRun[]): RunComparison['metrics'][number] {
  const goal = goalOf(key);
  const found = runs.map(({ metrics }) => metrics.find((metric) => metric.key === key));
  const bests = found.map((metric) => (metric === undefined ? undefined : bestOf(metric, goal)));
  return {
    key,
    goal,
    bestRun: goal === null ? null : indexOfBest(bests, goal),
    runs: found.map((metric, index) =>
      metric === undefined
        ? null
        : {
            last: toMetricNumber(metric.last),
            lastStep: metric.lastStep,
            min: metric.min,
            max: metric.max,
            best: toMetricNumber(bests[index]!),
            points: metric.points,
          },
    ),
  };
}

function bestOf(metric: ComparedMetric, goal: 'min' | 'max' | null): number {
  return (goal === null ? null : metric[goal]) ?? metric.last;
}

/** The first of equals; undefined values and NaN are never best. */
function indexOfBest(values: readonly (number | undefined)[], goal: 'min' | 'max'): number | null {
  let best: number | null = null;
  for (const [index, value] of values.entries()) {
    if (value === undefined || Number.isNaN(value)) continue;
    const isBetter = best === null || (goal === 'min' ? value < values[best]! : value > values[best]!);
    if (isBetter) best = index;
  }
  return best;
}

const SMALLER_IS_BETTER =
  /(^|[/._-])(.*loss|err(or)?(_rate)?|r?mse|mae|mape|nll|perplexity|ppl|wer|cer|fid|kl|log_?loss)([/._-]|$)/;
const LARGER_IS_BETTER =
  /(^|[/._-])(acc(uracy)?|f1|auc|auroc|precision|recall|bleu|rouge\w*|m?ap|m?iou|dice|r2|reward|return|score|ndcg|mrr)([/._-]|$)/;

/** Which way a metric is better, by its name. */
export function goalOf(key: string): 'min' | 'max' | null {
  const name = key.toLowerCase();
  if (SMALLER_IS_BETTER.test(name)) return 'min';
  return LARGER_IS_BETTER.test(name) ? 'max' : null;
}

function keysOf(lists: readonly (readonly { readonly key: string }[])[]): string[] {
  return [...new Set(lists.flat().map(({ key }) => key))].toSorted();
}
