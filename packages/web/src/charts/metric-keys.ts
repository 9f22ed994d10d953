import { SYSTEM_PREFIX } from '@trainyard/protocol';

/**
 * All keys, those that came live included. Curves come before single values, and what tells how well a
 * training goes before the rest. The epoch, an axis rather than a result, comes late, the machine last.
 */
export function metricKeys(
  latest: readonly { readonly key: string; readonly count: number }[],
  live: readonly string[],
): string[] {
  const weights = new Map(live.map((key) => [key, weightOf(key, 2)]));
  for (const { key, count } of latest) {
    weights.set(key, Math.min(weights.get(key) ?? Number.POSITIVE_INFINITY, weightOf(key, count)));
  }
  return [...weights.keys()].sort((a, b) => weights.get(a)! - weights.get(b)! || a.localeCompare(b));
}

function weightOf(key: string, count: number): number {
  // Only the whole name counts: "train_loss_epoch" is a loss.
  if (/(^|\/)epoch$/i.test(key)) return 4;
  // The agent's own, beside what the program says of itself.
  if (key.startsWith(SYSTEM_PREFIX)) return 5;
  const isResult = /loss|acc|reward|score|error|f1|auc/i.test(key);
  return (count > 1 ? 0 : 2) + (isResult ? 0 : 1);
}
