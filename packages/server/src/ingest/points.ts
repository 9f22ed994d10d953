/**
 * Points of one series as columns of equal length. `times` are epoch milliseconds (fractions allowed),
 * `values` may be NaN or infinite.
 */
export interface Points {
  readonly steps: Float64Array;
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** What readers and tables need of a group of points without decoding it. */
export interface PointsSummary {
  readonly count: number;
  readonly firstStep: number;
  readonly firstTime: number;
  readonly firstValue: number;
  readonly lastStep: number;
  readonly lastTime: number;
  readonly lastValue: number;
  /** Of the finite values; null when there is none. */
  readonly min: number | null;
  readonly max: number | null;
  /** Of the finite values; may overflow. */
  readonly sum: number;
  /** Values that are not finite: NaN, Infinity, -Infinity. */
  readonly nans: number;
  readonly positives: number;
  readonly negatives: number;
}

/** Most points of one stored chunk. */
export const MAX_CHUNK_POINTS = 4096;

/** Collects points in order of arrival. */
export class PointsBuilder {
  readonly #steps: number[] = [];
  readonly #times: number[] = [];
  readonly #values: number[] = [];

  add(step: number, time: number, value: number): void {
    this.#steps.push(step);
    this.#times.push(time);
    this.#values.push(value);
  }

  get count(): number {
    return this.#steps.length;
  }

  /** The points sorted by step, then time, then arrival. */
  build(): Points {
    return sortPoints({
      steps: Float64Array.from(this.#steps),
      times: Float64Array.from(this.#times),
      values: Float64Array.from(this.#values),
    });
  }
}

/** Sorts by step, then time; points equal in both keep their order. */
export function sortPoints(points: Points): Points {
  if (isSorted(points)) return points;
  const { steps, times } = points;
  const order = Array.from(steps.keys());
  // Array sort is stable, so equal points stay in the order of their arrival.
  order.sort((a, b) => steps[a]! - steps[b]! || times[a]! - times[b]!);
  return pick(points, order);
}

/** One group from several, sorted; of points equal in step and time the earlier group's comes first. */
export function mergePoints(groups: readonly Points[]): Points {
  if (groups.length === 1) return groups[0]!;
  const ordered = inStepOrder(groups);
  const total = groups.reduce((sum, group) => sum + group.steps.length, 0);
  const merged = {
    steps: new Float64Array(total),
    times: new Float64Array(total),
    values: new Float64Array(total),
  };
  let at = 0;
  for (const group of ordered) {
    merged.steps.set(group.steps, at);
    merged.times.set(group.times, at);
    merged.values.set(group.values, at);
    at += group.steps.length;
  }
  return sortPoints(merged);
}

/** Sorted groups that share no step, by step: joined they need no sorting. Others stay as they are. */
function inStepOrder(groups: readonly Points[]): readonly Points[] {
  const filled = groups.filter((group) => group.steps.length > 0);
  filled.sort((a, b) => a.steps[0]! - b.steps[0]!);
  const apart = filled.every((group, i) => i === 0 || filled[i - 1]!.steps.at(-1)! < group.steps[0]!);
  return apart ? filled : groups;
}

/** The points whose step passes the test; the same object when all do. */
export function filterSteps(points: Points, keep: (step: number) => boolean): Points {
  const kept: number[] = [];
  for (let i = 0; i < points.steps.length; i++) if (keep(points.steps[i]!)) kept.push(i);
  return kept.length === points.steps.length ? points : pick(points, kept);
}

/** The points from `firstStep` to `lastStep`, both included, without copying. */
export function clipSteps(points: Points, firstStep: number, lastStep: number): Points {
  const { steps } = points;
  let from = 0;
  let to = steps.length;
  while (from < to && steps[from]! < firstStep) from += 1;
  while (to > from && steps[to - 1]! > lastStep) to -= 1;
  return from === 0 && to === steps.length ? points : slicePoints(points, from, to);
}

export function slicePoints(points: Points, from: number, to: number): Points {
  return {
    steps: points.steps.subarray(from, to),
    times: points.times.subarray(from, to),
    values: points.values.subarray(from, to),
  };
}

/**
 * Cuts sorted points into groups of at most MAX_CHUNK_POINTS. Cuts fall on multiples of a power of two
 * steps where the density allows it: such a chunk lies inside of one bucket of every coarser chart.
 */
export function cutPoints(points: Points): Points[] {
  const total = points.steps.length;
  if (total <= MAX_CHUNK_POINTS) return total === 0 ? [] : [points];
  const range = points.steps[total - 1]! - points.steps[0]! + 1;
  const width = 2 ** Math.max(0, Math.floor(Math.log2((range * MAX_CHUNK_POINTS) / total)));
  const groups: Points[] = [];
  let from = 0;
  let bucket = Math.floor(points.steps[0]! / width);
  for (let i = 1; i <= total; i++) {
    const next = i < total ? Math.floor(points.steps[i]! / width) : Number.NaN;
    if (next === bucket && i - from < MAX_CHUNK_POINTS) continue;
    groups.push(slicePoints(points, from, i));
    from = i;
    bucket = next;
  }
  return groups;
}

/** @param points sorted, at least one */
export function summarise(points: Points): PointsSummary {
  const count = points.steps.length;
  let min: number | null = null;
  let max: number | null = null;
  let sum = 0;
  let nans = 0;
  let positives = 0;
  let negatives = 0;
  for (let i = 0; i < count; i++) {
    const value = points.values[i]!;
    if (!Number.isFinite(value)) {
      if (value > 0) positives += 1;
      else if (value < 0) negatives += 1;
      else nans += 1;
      continue;
    }
    sum += value;
    if (min === null || value < min) min = value;
    if (max === null || value > max) max = value;
  }
  return {
    count,
    firstStep: points.steps[0]!,
    firstTime: points.times[0]!,
    firstValue: points.values[0]!,
    lastStep: points.steps[count - 1]!,
    lastTime: points.times[count - 1]!,
    lastValue: points.values[count - 1]!,
    min,
    max,
    sum,
    nans,
    positives,
    negatives,
  };
}

function isSorted({ steps, times }: Points): boolean {
  for (let i = 1; i < steps.length; i++) {
    const difference = steps[i]! - steps[i - 1]!;
    if (difference < 0 || (difference === 0 && times[i]! < times[i - 1]!)) return false;
  }
  return true;
}

function pick(points: Points, indices: readonly number[]): Points {
  const take = (column: Float64Array) => Float64Array.from(indices, (index) => column[index]!);
  return { steps: take(points.steps), times: take(points.times), values: take(points.values) };
}
