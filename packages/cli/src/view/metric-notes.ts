import { type MetricLatest, type MetricNumber, SYSTEM_PREFIX } from '@trainyard/protocol';

type Latest = Pick<MetricLatest, 'key' | 'step' | 'value' | 'time'> & { readonly runId: string };

/** For each run a short text of its latest metrics: an accuracy and a loss if there are, else the newest. */
export function latestNotes(items: readonly Latest[]): ReadonlyMap<string, string> {
  const byRun = new Map<string, Latest[]>();
  for (const item of items) {
    // How busy the machine is says nothing of how the training goes.
    if (item.key.startsWith(SYSTEM_PREFIX)) continue;
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
  const accuracy = bestOf(list, /acc/i);
  const loss = bestOf(list, /loss/i);
  const named = [accuracy, loss].filter((item) => item !== undefined);
  const chosen = named.length > 0 ? named : [[...list].sort((a, b) => b.time - a.time)[0]!];
  const step = Math.max(...chosen.map((item) => item.step));
  return `${chosen.map((item) => `${item.key} ${formatMetric(item.value)}`).join('  ')}  step ${step}`;
}

/** Of the keys that match, one on data held back if there is, and the shortest, which says it plainest. */
function bestOf(list: readonly Latest[], pattern: RegExp): Latest | undefined {
  const rank = ({ key }: Latest): number => (/val|test/i.test(key) ? 0 : 1000) + key.length;
  return list.filter((item) => pattern.test(item.key)).sort((a, b) => rank(a) - rank(b))[0];
}
