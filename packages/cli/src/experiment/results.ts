import { type MetricLatest, type RunTree, SYSTEM_PREFIX } from '@trainyard/protocol';
import { formatMetric } from '../view/metric-notes.ts';
import { table } from '../view/table.ts';

/** A metric over the repeats of a trial that have it. */
export interface TrialMetric {
  readonly mean: number;
  /** Of the sample; null with fewer than two values. */
  readonly deviation: number | null;
  /** By the number of the repeat; null where it has no finite value. */
  readonly values: readonly (number | null)[];
}

export interface TrialResult {
  readonly name: string;
  /** Status of each repeat. */
  readonly runs: readonly { readonly id: string; readonly status: string }[];
  readonly metrics: Readonly<Record<string, TrialMetric>>;
}

export interface ExperimentResults {
  readonly of: 'last' | 'min' | 'max';
  readonly trials: readonly TrialResult[];
}

type Latest = Pick<MetricLatest, 'key' | 'value' | 'min' | 'max'> & { readonly runId: string };

/** What the trials of a run have reached so far. Metrics of the system are left out unless they are asked for. */
export function resultsOf(
  run: RunTree,
  latest: readonly Latest[],
  { of, metric }: { readonly of: ExperimentResults['of']; readonly metric?: readonly string[] },
): ExperimentResults {
  const byRun = Map.groupBy(latest, ({ runId }) => runId);
  const wanted = (key: string): boolean =>
    metric === undefined ? !key.startsWith(SYSTEM_PREFIX) : metric.includes(key);
  const trials = run.children.map((trial) => {
    const repeats = trial.children;
    const keys = new Set(
      repeats.flatMap(({ id }) => (byRun.get(id) ?? []).flatMap(({ key }) => (wanted(key) ? [key] : []))),
    );
    const metrics = [...keys].sort().flatMap((key) => {
      const values = repeats.map(({ id }) => {
        const found = byRun.get(id)?.find((each) => each.key === key);
        const value = found === undefined ? null : of === 'last' ? found.value : found[of];
        return typeof value === 'number' ? value : null;
      });
      const summary = summarise(values);
      return summary === undefined ? [] : [[key, summary] as const];
    });
    return {
      name: trial.name,
      runs: repeats.map(({ id, status }) => ({ id, status })),
      metrics: Object.fromEntries(metrics),
    };
  });
  return { of, trials };
}

export function resultsTable({ trials }: ExperimentResults): string {
  const keys = [...new Set(trials.flatMap(({ metrics }) => Object.keys(metrics)))].sort();
  const rows = trials.map(({ name, runs, metrics }) => [
    name,
    statusText(runs),
    ...keys.map((key) => metricText(metrics[key])),
  ]);
  return table(['trial', 'runs', ...keys], rows);
}

function summarise(values: readonly (number | null)[]): TrialMetric | undefined {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return undefined;
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: known.length < 2 ? null : Math.sqrt(squares / (known.length - 1)), values };
}

function statusText(runs: TrialResult['runs']): string {
  const counts = Map.groupBy(runs, ({ status }) => status);
  return [...counts].map(([status, each]) => `${each.length} ${status}`).join(', ');
}

function metricText(metric: TrialMetric | undefined): string {
  if (metric === undefined) return '';
  const { mean, deviation } = metric;
  return deviation === null ? formatMetric(mean) : `${formatMetric(mean)} ± ${formatMetric(deviation)}`;
}
