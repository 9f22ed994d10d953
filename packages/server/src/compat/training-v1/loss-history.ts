import type { Points } from '../../ingest/index.ts';

/** What can be said of a training by the points of its losses. Pure; values that are no numbers say nothing. */

export interface BestLoss {
  readonly loss: number;
  readonly step: number;
}

export type LossTrend = 'improving' | 'degrading' | 'stable';

const TREND_POINTS = 10;
/** The halves must differ by more than this part of the first. */
const TREND_THRESHOLD = 0.05;

/** The lowest value; of equal ones the first. */
export function bestLoss({ steps, values }: Points): BestLoss | undefined {
  let best: BestLoss | undefined;
  values.forEach((loss, index) => {
    if (Number.isFinite(loss) && (best === undefined || loss < best.loss))
      best = { loss, step: steps[index]! };
  });
  return best;
}

/** Compares the two halves of the last ten values; `undefined` when there are too few to have halves. */
export function lossTrend({ values }: Points): LossTrend | undefined {
  const last = [...values].filter(Number.isFinite).slice(-TREND_POINTS);
  if (last.length < 4) return undefined;
  const middle = Math.floor(last.length / 2);
  const [before, after] = [mean(last.slice(0, middle)), mean(last.slice(middle))];
  const change = after - before;
  if (Math.abs(change) <= TREND_THRESHOLD * Math.abs(before)) return 'stable';
  return change < 0 ? 'improving' : 'degrading';
}

/** The epoch that a step was in: the value reported last at or before it. */
export function epochAt({ steps, values }: Points, step: number): number | undefined {
  let epoch: number | undefined;
  for (let index = 0; index < steps.length && steps[index]! <= step; index += 1) {
    if (Number.isFinite(values[index]!)) epoch = values[index]!;
  }
  return epoch;
}

/** Whole epochs since the one with the lowest loss. */
export function epochsWithoutImprovement(losses: Points, epochs: Points): number | undefined {
  const best = bestLoss(losses);
  const newest = epochs.values.findLast(Number.isFinite);
  if (best === undefined || newest === undefined) return undefined;
  const bestEpoch = epochAt(epochs, best.step);
  return bestEpoch === undefined ? undefined : Math.max(0, Math.floor(newest) - Math.floor(bestEpoch));
}

/** e to the loss; `undefined` when that is no finite number. */
export function perplexityOf(loss: number | undefined): number | undefined {
  const perplexity = loss === undefined ? Number.NaN : Math.exp(loss);
  return Number.isFinite(perplexity) ? perplexity : undefined;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
