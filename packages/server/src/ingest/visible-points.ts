import { filterSteps, mergePoints, type Points } from './points.ts';

export interface AttemptPoints {
  readonly attempt: number;
  readonly points: Points;
}

/**
 * The points that count: where attempts wrote the same step, those of the newest attempt. Points that one
 * attempt wrote twice at a step are both kept.
 * @param groups in the order they were written
 */
export function visiblePoints(groups: readonly AttemptPoints[]): Points {
  const attempts = [...new Set(groups.map((group) => group.attempt))].sort((a, b) => b - a);
  if (attempts.length <= 1) return mergePoints(groups.map((group) => group.points));
  const replaced = new Set<number>();
  const visible: Points[] = [];
  for (const attempt of attempts) {
    const own = groups.filter((group) => group.attempt === attempt).map((group) => group.points);
    for (const points of own) visible.push(filterSteps(points, (step) => !replaced.has(step)));
    for (const points of own) for (const step of points.steps) replaced.add(step);
  }
  return mergePoints(visible);
}
