import type { ChartBucket, ChartSeries, MetricNumber, MetricPoint } from '@trainyard/protocol';

/** A point of a curve at the last step of a bucket; `min` and `max` differ where it stands for several. */
export interface CurvePoint {
  readonly step: number;
  readonly firstStep: number;
  /** Last value; NaN is a gap in the curve. */
  readonly value: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly count: number;
  /** Epoch milliseconds of the newest value in it. */
  readonly timeMs: number;
}

/** One curve: a metric of one run, by rising step. */
export interface Curve {
  readonly runId: string;
  readonly key: string;
  readonly points: readonly CurvePoint[];
}

export function toNumber(value: MetricNumber): number {
  return typeof value === 'number' ? value : Number(value);
}

export function curveOf(series: ChartSeries): Curve {
  return { runId: series.runId, key: series.key, points: series.buckets.map(pointOfBucket) };
}

/**
 * Adds live points to a curve that was read over HTTP. What the answer already contained is known by its
 * time and is not counted twice. A step that lies within the curve (a retry counts from 0 again) changes
 * its bucket; a later one makes a new point.
 */
export function mergePoints(curve: Curve, fresh: readonly MetricPoint[]): Curve {
  const points = [...curve.points];
  for (const point of fresh) {
    const last = points.at(-1);
    if (last === undefined || point.step > last.step) points.push(pointOf(point));
    else insert(points, point);
  }
  return { ...curve, points };
}

/**
 * Data for uPlot: one common x axis with the steps of all curves. `undefined` says that a curve has no
 * point at a step of another, which its line passes over; `null` is a gap. With `bands`, each curve has
 * two more rows after the values of all: its upper and its lower edge.
 */
export function alignCurves(curves: readonly Curve[]): { data: AlignedRows; bands: boolean } {
  const steps = new Set<number>();
  for (const curve of curves) for (const point of curve.points) steps.add(point.step);
  const xs = [...steps].sort((a, b) => a - b);
  const at = new Map(xs.map((step, i) => [step, i]));
  const bands = curves.some((curve) =>
    curve.points.some((point) => point.count > 1 && point.min !== point.max),
  );
  const rows: (number | null | undefined)[][] = [];
  for (const curve of curves) rows.push(fill(curve, xs.length, at, (point) => gapless(point.value)));
  if (bands) {
    for (const curve of curves) {
      rows.push(fill(curve, xs.length, at, (point) => point.max));
      rows.push(fill(curve, xs.length, at, (point) => point.min));
    }
  }
  return { data: [xs, ...rows], bands };
}

export type AlignedRows = [number[], ...(number | null | undefined)[][]];

/** Last, least and greatest finite value of a curve, for the table beside it. */
export function summarise(curve: Curve): {
  last: CurvePoint | undefined;
  min: number | null;
  max: number | null;
} {
  let min: number | null = null;
  let max: number | null = null;
  for (const point of curve.points) {
    if (point.min !== null && (min === null || point.min < min)) min = point.min;
    if (point.max !== null && (max === null || point.max > max)) max = point.max;
  }
  return { last: curve.points.at(-1), min, max };
}

function insert(points: CurvePoint[], point: MetricPoint): void {
  const at = firstAtOrAfter(points, point.step);
  const found = points[at];
  if (found === undefined || point.step < found.firstStep) {
    points.splice(at, 0, pointOf(point));
    return;
  }
  if (point.time <= found.timeMs) return;
  const value = toNumber(point.value);
  points[at] = {
    ...found,
    value: point.step === found.step ? value : found.value,
    min: extreme(Math.min, found.min, value),
    max: extreme(Math.max, found.max, value),
    count: found.count + 1,
    timeMs: point.time,
  };
}

function firstAtOrAfter(points: readonly CurvePoint[], step: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (points[middle]!.step < step) low = middle + 1;
    else high = middle;
  }
  return low;
}

function pointOfBucket(bucket: ChartBucket): CurvePoint {
  return {
    step: bucket.lastStep,
    firstStep: bucket.firstStep,
    value: toNumber(bucket.last),
    min: bucket.min,
    max: bucket.max,
    count: bucket.count,
    timeMs: bucket.lastTime,
  };
}

function pointOf(point: MetricPoint): CurvePoint {
  const value = toNumber(point.value);
  const finite = Number.isFinite(value) ? value : null;
  return {
    step: point.step,
    firstStep: point.step,
    value,
    min: finite,
    max: finite,
    count: 1,
    timeMs: point.time,
  };
}

function extreme(pick: (a: number, b: number) => number, known: number | null, value: number): number | null {
  if (!Number.isFinite(value)) return known;
  return known === null ? value : pick(known, value);
}

function gapless(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

function fill(
  curve: Curve,
  length: number,
  at: ReadonlyMap<number, number>,
  pick: (point: CurvePoint) => number | null,
): (number | null | undefined)[] {
  const row = new Array<number | null | undefined>(length).fill(undefined);
  for (const point of curve.points) row[at.get(point.step)!] = pick(point);
  return row;
}
