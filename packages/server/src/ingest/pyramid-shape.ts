/** Which levels of buckets are kept of a series: each second one from `baseLevel` to `topLevel`. */
export interface PyramidShape {
  readonly baseLevel: number;
  readonly topLevel: number;
}

/** Of one level: `tile` counts TILE_BUCKETS buckets each from step 0 on. */
export const TILE_BUCKETS = 256;
/** Points of a bucket of the lowest level, on average: a bucket takes as many bytes as ten points. */
const POINTS_PER_BUCKET = 64;
const LEVELS_APART = 2;
/** The range of steps may become so much longer before a higher level is wanted. */
const GROWTH_LEVELS = 10;
/** The density may change by a factor of 2 to this before all is built anew. */
const DENSITY_LEVELS = 4;

interface Extent {
  readonly firstStep: number;
  readonly lastStep: number;
  readonly count: number;
}

export function pyramidShape(extent: Extent): PyramidShape {
  const baseLevel = idealBaseLevel(extent);
  const levels = Math.ceil(Math.max(0, rangeLevel(extent) + GROWTH_LEVELS - baseLevel) / LEVELS_APART);
  return { baseLevel, topLevel: baseLevel + levels * LEVELS_APART };
}

/** True when the series has outgrown its pyramid, or has become much denser or sparser. */
export function isOutgrown({ baseLevel, topLevel }: PyramidShape, extent: Extent): boolean {
  return (
    rangeLevel(extent) > topLevel + LEVELS_APART ||
    Math.abs(idealBaseLevel(extent) - baseLevel) >= DENSITY_LEVELS
  );
}

export function levelsOf({ baseLevel, topLevel }: PyramidShape): number[] {
  const levels: number[] = [];
  for (let level = baseLevel; level <= topLevel; level += LEVELS_APART) levels.push(level);
  return levels;
}

function idealBaseLevel({ firstStep, lastStep, count }: Extent): number {
  return Math.max(0, Math.ceil(Math.log2(((lastStep - firstStep + 1) * POINTS_PER_BUCKET) / count)));
}

/** The level of which one tile covers the range, about. */
function rangeLevel({ firstStep, lastStep }: Extent): number {
  return Math.max(0, Math.ceil(Math.log2((lastStep - firstStep + 1) / TILE_BUCKETS)));
}

/** Steps from `firstStep` to `lastStep`, both included. */
export interface StepInterval {
  readonly firstStep: number;
  readonly lastStep: number;
}

/** Whole buckets of a level. */
interface LevelInterval extends StepInterval {
  readonly level: number;
}

export interface Cover {
  /** The ends, which no whole bucket covers. */
  readonly points: readonly StepInterval[];
  readonly buckets: readonly LevelInterval[];
}

/** Covers steps by buckets of these levels as far as that goes, by large ones in the middle. */
export function coverSteps({ firstStep, lastStep }: StepInterval, levels: readonly number[]): Cover {
  const points: StepInterval[] = [];
  const buckets: LevelInterval[] = [];
  let [left, right] = [firstStep, lastStep + 1];
  let below: number | undefined;
  const add = (from: number, to: number) => {
    if (from >= to) return;
    const interval = { firstStep: from, lastStep: to - 1 };
    if (below === undefined) points.push(interval);
    else buckets.push({ ...interval, level: below });
  };
  for (const level of levels) {
    const width = 2 ** level;
    const up = Math.ceil(left / width) * width;
    const down = Math.floor(right / width) * width;
    if (up >= down) break;
    add(left, up);
    add(down, right);
    [left, right, below] = [up, down, level];
  }
  add(left, right);
  return { points, buckets };
}
