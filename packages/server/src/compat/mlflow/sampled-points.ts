import { filterSteps, type Points } from '../../ingest/points.ts';

/**
 * Points of some of the steps of several runs, as MLflow's page draws them: of all steps that any of them has within
 * the range, at most `limit` in even distances, and besides the first and the last step of each run.
 * @param histories by run, each sorted by step
 */
export function sampledPoints(
  histories: ReadonlyMap<string, Points>,
  range: { readonly first: number | undefined; readonly last: number | undefined; readonly limit: number },
): Map<string, Points> {
  const { first = Number.NEGATIVE_INFINITY, last = Number.POSITIVE_INFINITY, limit } = range;
  const within = [...histories].map(
    ([runId, points]) => [runId, filterSteps(points, (step) => step >= first && step <= last)] as const,
  );
  const steps = distinctSteps(within.map(([, points]) => points.steps));
  const kept = new Set(evenly(steps, limit));
  const sampled = new Map<string, Points>();
  for (const [runId, points] of within) {
    if (points.steps.length === 0) continue;
    const ends = new Set([points.steps[0]!, points.steps.at(-1)!]);
    sampled.set(
      runId,
      filterSteps(points, (step) => kept.has(step) || ends.has(step)),
    );
  }
  return sampled;
}

function distinctSteps(columns: readonly Float64Array[]): number[] {
  const distinct = new Set<number>();
  for (const steps of columns) for (const step of steps) distinct.add(step);
  const all = [...distinct];
  return columns.length > 1 ? all.sort((a, b) => a - b) : all;
}

function evenly(steps: readonly number[], limit: number): readonly number[] {
  if (steps.length <= limit) return steps;
  const stride = steps.length / limit;
  return Array.from({ length: limit }, (_, index) => steps[Math.floor(index * stride)]!);
}
