export type Direction = 'max' | 'min';

export interface RankedCandidate {
  readonly name: string;
  readonly value: number;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/**
 * Candidates by their metric, the best first; equals stay in the order given. A candidate whose metric is
 * missing, NaN or infinite (a stage that was skipped, a model that diverged) cannot win and is left out.
 */
export function rankCandidates(
  candidates: Readonly<Record<string, unknown>>,
  metric: string,
  direction: Direction,
): RankedCandidate[] {
  const ranked = Object.entries(candidates).flatMap(([name, outputs]) => {
    if (typeof outputs !== 'object' || outputs === null) return [];
    const value = (outputs as Record<string, unknown>)[metric];
    if (typeof value !== 'number' || !Number.isFinite(value)) return [];
    return [{ name, value, outputs: outputs as Record<string, unknown> }];
  });
  const sign = direction === 'max' ? -1 : 1;
  return ranked.sort((a, b) => sign * (a.value - b.value));
}
