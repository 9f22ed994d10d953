import type { EarlyStoppingDefinition } from '@trainyard/protocol';

type Rungs = Pick<EarlyStoppingDefinition, 'minSteps' | 'factor' | 'maxSteps'>;

/** The first step behind `after` at which trials are compared; undefined when there is none any more. */
export function nextRung(
  { minSteps, factor, maxSteps = Number.MAX_SAFE_INTEGER }: Rungs,
  after: number,
): number | undefined {
  let rung = minSteps;
  while (rung <= after) rung *= factor;
  return rung < maxSteps ? rung : undefined;
}

/**
 * Asynchronous successive halving: of the trials that have come to a rung so far, one of `factor` goes on. A trial
 * that comes to it when fewer than `factor` have been there goes on in any case.
 * @param values of all trials at the rung, that of the trial among them
 * @returns the value that would have been good enough, where the trial is to end
 */
export function cutOff(
  values: readonly number[],
  own: number,
  { factor, goal }: Pick<EarlyStoppingDefinition, 'factor' | 'goal'>,
): number | undefined {
  if (values.length < factor) return undefined;
  const ranked = values.map((value) => badness(value, goal)).sort((a, b) => a - b);
  const limit = ranked[Math.floor(values.length / factor) - 1]!;
  if (badness(own, goal) <= limit) return undefined;
  return goal === 'min' ? limit : -limit;
}

/** Smaller is better; what is no number is the worst. */
function badness(value: number, goal: EarlyStoppingDefinition['goal']): number {
  if (Number.isNaN(value)) return Number.POSITIVE_INFINITY;
  return goal === 'min' ? value : -value;
}
