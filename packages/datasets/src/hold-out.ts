import type { Row } from './dataset-value.ts';

/** Which rows are kept for evaluation, and why. Made once, shown and recorded; nothing is held out without it. */
export interface HoldOut {
  /** From 0, nothing, to 1 (left out). */
  readonly fraction: number;
  readonly seed: number;
  readonly chosenBy: 'request' | 'default' | 'own evaluation data' | 'request for none';
}

/** What is held out when there is no evaluation data and nobody said otherwise. */
export const DEFAULT_HOLD_OUT = { fraction: 0.2, seed: 42 } as const;

/** The hold-out that is in effect. Evaluation data of its own means that nothing is held out. */
export function effectiveHoldOut(options: {
  readonly hasEvaluationData: boolean;
  readonly request?: { readonly fraction: number; readonly seed?: number | undefined } | 'none' | undefined;
}): HoldOut {
  const { hasEvaluationData, request } = options;
  const none = { fraction: 0, seed: DEFAULT_HOLD_OUT.seed };
  if (request === 'none') return { ...none, chosenBy: 'request for none' };
  if (request !== undefined) {
    const { fraction, seed = DEFAULT_HOLD_OUT.seed } = request;
    if (!(fraction >= 0 && fraction < 1))
      throw new RangeError(`a hold-out is from 0 to below 1, not ${fraction}`);
    return { fraction, seed, chosenBy: 'request' };
  }
  return hasEvaluationData
    ? { ...none, chosenBy: 'own evaluation data' }
    : { ...DEFAULT_HOLD_OUT, chosenBy: 'default' };
}

/** One sentence for logs and pages. */
export function describeHoldOut({ fraction, seed, chosenBy }: HoldOut): string {
  if (fraction === 0) {
    return chosenBy === 'own evaluation data'
      ? 'nothing is held out: there is evaluation data of its own'
      : 'nothing is held out, as asked for';
  }
  const why = chosenBy === 'default' ? 'by default, since there is no evaluation data' : 'as asked for';
  return `${Number((fraction * 100).toFixed(4))} % of the rows are held out for evaluation with seed ${seed}, ${why}`;
}

/**
 * Rows of one side, in their order. A row's side depends on the seed and its index only, so nothing has to be
 * kept in memory, and both sides together are all rows.
 */
export async function* holdOutRows(
  batches: AsyncIterable<readonly Row[]>,
  side: 'train' | 'evaluation',
  holdOut: HoldOut,
): AsyncGenerator<Row[], void> {
  let index = 0;
  for await (const batch of batches) {
    const rows = batch.filter(() => {
      const isEvaluation = unitHash(holdOut.seed, index++) < holdOut.fraction;
      return isEvaluation === (side === 'evaluation');
    });
    if (rows.length > 0) yield rows;
  }
}

/** From 0 to 1 (left out): the mixing function of MurmurHash3 over seed and index. */
function unitHash(seed: number, index: number): number {
  let mixed = (Math.imul(index + 1, 0x9e3779b1) ^ seed ^ Math.floor(index / 2 ** 32)) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
}
