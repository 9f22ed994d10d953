import { type MetricPoint, SYSTEM_PREFIX } from '@trainyard/protocol';
import { formatMetric } from './metric-notes.ts';
import { table } from './table.ts';

/** Metrics that one table shows; more would not fit a terminal. */
const MAX_COLUMNS = 5;
/** Epochs that one table shows: the first ones and the last ones of a longer training. */
const FIRST_EPOCHS = 5;
const LAST_EPOCHS = 20;

/**
 * A job's metrics by epoch: for each epoch the last value of each metric in it. Needs the metric `epoch`,
 * which tells of every step to which epoch it belongs; answers nothing without it, or with a
 * single epoch.
 */
export function epochTable(points: Readonly<Record<string, readonly MetricPoint[]>>): string {
  const epochOfStep = new Map((points['epoch'] ?? []).map((point) => [point.step, point.value]));
  const keys = Object.keys(points).filter(isInteresting).sort(byInterest).slice(0, MAX_COLUMNS);
  if (epochOfStep.size === 0 || keys.length === 0) return '';
  const rows = new Map<number, Map<string, string>>();
  for (const key of keys) {
    for (const { step, value } of points[key]!) {
      const epoch = epochOfStep.get(step);
      if (typeof epoch !== 'number') continue;
      const row = rows.get(Math.floor(epoch)) ?? new Map<string, string>();
      rows.set(Math.floor(epoch), row.set(key, formatMetric(value)));
    }
  }
  // One epoch is no course of anything: the last values say it already.
  if (rows.size < 2) return '';
  const epochs = [...rows.keys()].sort((a, b) => a - b);
  const cells = epochs.map((epoch) => [
    String(epoch),
    ...keys.map((key) => rows.get(epoch)!.get(key) ?? '-'),
  ]);
  return table(['epoch', ...keys], shorten(cells));
}

function shorten(rows: string[][]): string[][] {
  const left = rows.length - FIRST_EPOCHS - LAST_EPOCHS;
  if (left <= 1) return rows;
  return [...rows.slice(0, FIRST_EPOCHS), [`(${left} more)`], ...rows.slice(-LAST_EPOCHS)];
}

function isInteresting(key: string): boolean {
  return key !== 'epoch' && !key.startsWith('performance/') && !key.startsWith(SYSTEM_PREFIX);
}

/** What was measured on data held back comes first, then losses and accuracies, then the rest by name. */
function byInterest(a: string, b: string): number {
  return rank(a) - rank(b) || a.length - b.length || (a < b ? -1 : 1);
}

function rank(key: string): number {
  if (/^(val|test|eval)[_/]/.test(key)) return 0;
  return /loss|acc|reward/i.test(key) ? 1 : 2;
}
