/** The distribution of values, in buckets of equal width. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly count: number;
  readonly sum: number;
  readonly sumOfSquares: number;
  /** Right edges of the buckets; the first begins at `min`. */
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

/** As many as TensorBoard's own summaries have. */
const BUCKETS = 30;

/** What the values are like; those that are not finite have no place in it and are left out. */
export function histogramOf(values: ArrayLike<number>): Histogram {
  const range = rangeOf(values);
  if (range === undefined) {
    return { min: 0, max: 0, count: 0, sum: 0, sumOfSquares: 0, limits: [0], counts: [0] };
  }
  const { min, max } = range;
  const width = max / BUCKETS - min / BUCKETS;
  const limits =
    width === 0
      ? [max]
      : Array.from({ length: BUCKETS }, (_, index) =>
          index === BUCKETS - 1 ? max : Math.min(max, min + width * (index + 1)),
        );
  const counts = limits.map(() => 0);
  let [count, sum, sumOfSquares] = [0, 0, 0];
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index]!;
    if (!Number.isFinite(value)) continue;
    count += 1;
    sum += value;
    sumOfSquares += value * value;
    const bucket = width === 0 ? 0 : Math.floor(value / width - min / width);
    counts[Math.min(bucket, limits.length - 1)]! += 1;
  }
  return { min, max, count, sum, sumOfSquares, limits, counts };
}

/** Without spreading the values, of which a layer may have millions. */
function rangeOf(values: ArrayLike<number>): { min: number; max: number } | undefined {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index]!;
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min > max ? undefined : { min, max };
}
