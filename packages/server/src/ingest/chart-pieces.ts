import { type Cover, coverSteps, levelsOf, type StepInterval } from './pyramid-shape.ts';
import type { Pyramid } from './pyramid-sql.ts';

/** How the steps of one series are read for a chart. */
export interface ChartPieces {
  /** By tiles. */
  readonly buckets: Cover['buckets'];
  /** The same steps, in which chunks that are not in the tiles count, too. */
  readonly beside: readonly StepInterval[];
  /** By all chunks that touch them. */
  readonly chunks: readonly StepInterval[];
}

interface AttemptSteps extends StepInterval {
  readonly attempt: number;
}

/**
 * Divides steps of a series into what its tiles answer, in buckets no wider than those of the chart, and the rest:
 * the ends, and where two attempts may have written the same steps, of which tiles know nothing.
 * @param loose chunks that are not in the tiles
 */
export function planPieces(
  steps: StepInterval,
  width: number,
  pyramid: Pyramid | undefined,
  loose: readonly AttemptSteps[],
): ChartPieces {
  if (pyramid === undefined) return { buckets: [], beside: [], chunks: [steps] };
  const levels = levelsOf(pyramid).filter((level) => 2 ** level <= width);
  const chunks = contested([...pyramid.attempts, ...loose], steps);
  const buckets: Cover['buckets'][number][] = [];
  const beside: StepInterval[] = [];
  for (const free of without(steps, chunks)) {
    const cover = coverSteps(free, levels);
    chunks.push(...cover.points);
    if (cover.buckets.length === 0) continue;
    buckets.push(...cover.buckets);
    beside.push({
      firstStep: Math.min(...cover.buckets.map((each) => each.firstStep)),
      lastStep: Math.max(...cover.buckets.map((each) => each.lastStep)),
    });
  }
  return { buckets, beside, chunks };
}

/** Where the steps of attempts overlap, by step, apart from each other. */
function contested(ranges: readonly AttemptSteps[], within: StepInterval): StepInterval[] {
  const attempts = [...Map.groupBy(ranges, (range) => range.attempt).values()].map(extentOf);
  const overlaps = attempts.flatMap((one, index) =>
    attempts.slice(index + 1).map((other) => intersect(one, other)),
  );
  const clipped = overlaps
    .map((overlap) => intersect(overlap, within))
    .filter((overlap) => overlap.firstStep <= overlap.lastStep)
    .sort((a, b) => a.firstStep - b.firstStep);
  const apart: StepInterval[] = [];
  for (const overlap of clipped) {
    const last = apart.at(-1);
    if (last !== undefined && overlap.firstStep <= last.lastStep + 1)
      apart[apart.length - 1] = extentOf([last, overlap]);
    else apart.push(overlap);
  }
  return apart;
}

/** @param holes by step, apart from each other, inside of `steps` */
function without(steps: StepInterval, holes: readonly StepInterval[]): StepInterval[] {
  const rest: StepInterval[] = [];
  let { firstStep } = steps;
  for (const hole of holes) {
    if (hole.firstStep > firstStep) rest.push({ firstStep, lastStep: hole.firstStep - 1 });
    firstStep = hole.lastStep + 1;
  }
  if (firstStep <= steps.lastStep) rest.push({ firstStep, lastStep: steps.lastStep });
  return rest;
}

export function intersect(a: StepInterval, b: StepInterval): StepInterval {
  return {
    firstStep: Math.max(a.firstStep, b.firstStep),
    lastStep: Math.min(a.lastStep, b.lastStep),
  };
}

function extentOf(steps: readonly StepInterval[]): StepInterval {
  return {
    firstStep: Math.min(...steps.map((each) => each.firstStep)),
    lastStep: Math.max(...steps.map((each) => each.lastStep)),
  };
}
