import type { MetricLatest, MetricNumber } from '@trainyard/protocol';

type Latest = Pick<MetricLatest, 'key' | 'step' | 'value' | 'time'> & { readonly runId: string };

const MAX_KEYS = 2;

/** For each run a short text of its latest metrics: an accuracy and a loss if there are, else the newest. */
export function latestNotes(items: readonly Latest[]): ReadonlyMap<string, string> {
  const byRun = new Map<string, Latest[]>();
  for (const item of items) {
    const list = byRun.get(item.runId);
    if (list === undefined) byRun.set(item.runId, [item]);
    else list.push(item);
  }
  return new Map([...byRun].map(([runId, list]) => [runId, noteOf(list)]));
}

/** A metric value in at most four significant digits. */
export function formatMetric(value: MetricNumber): string {
  if (typeof value === 'string' || Number.isInteger(value)) return String(value);
  const rounded = Number(value.toPrecision(4));
  return String(rounded);
}

function noteOf(list: readonly Latest[]): string {
  const chosen = [...list].sort((a, b) => rank(a.key) - rank(b.key) || b.time - a.time).slice(0, MAX_KEYS);
  const step = Math.max(...chosen.map((item) => item.step));
  return `${chosen.map((item) => `${item.key} ${formatMetric(item.value)}`).join('  ')}  step ${step}`;
}

function rank(key: string): number {
  if (/acc/i.test(key)) return /val|test/i.test(key) ? 0 : 1;
  return /loss/i.test(key) ? 2 : 3;
}
