import { type Points, type PointsSummary, slicePoints, summarise } from './points.ts';

/** A bucket that holds points; steps are those of its first and last point. */
export type Bucket = { -readonly [Field in keyof PointsSummary]: PointsSummary[Field] };

/** Smallest power of two steps so that the range takes at most `buckets` buckets, aligned to 0. */
export function bucketWidth(firstStep: number, lastStep: number, buckets: number): number {
  let width = 1;
  while (Math.floor(lastStep / width) - Math.floor(firstStep / width) + 1 > buckets) width *= 2;
  return width;
}

/** Collects points and summaries of one series into buckets of `width` steps. */
export class Buckets {
  readonly #width: number;
  readonly #buckets = new Map<number, Bucket>();

  constructor(width: number) {
    this.#width = width;
  }

  /** True if a summary with these ends can be added whole. */
  holds(firstStep: number, lastStep: number): boolean {
    return Math.floor(firstStep / this.#width) === Math.floor(lastStep / this.#width);
  }

  addSummary(summary: PointsSummary): void {
    const index = Math.floor(summary.firstStep / this.#width);
    const bucket = this.#buckets.get(index);
    if (bucket === undefined) this.#buckets.set(index, { ...pickBucket(summary) });
    else join(bucket, summary);
  }

  /** @param points sorted */
  addPoints(points: Points): void {
    const { steps } = points;
    for (let from = 0; from < steps.length; ) {
      const end = (Math.floor(steps[from]! / this.#width) + 1) * this.#width;
      let to = from + 1;
      while (to < steps.length && steps[to]! < end) to += 1;
      this.addSummary(summarise(slicePoints(points, from, to)));
      from = to;
    }
  }

  /** The buckets that hold points, by step. */
  list(): Bucket[] {
    return [...this.#buckets].sort(([a], [b]) => a - b).map(([, bucket]) => bucket);
  }
}

function join(bucket: Bucket, summary: PointsSummary): void {
  bucket.count += summary.count;
  const isFirst =
    summary.firstStep < bucket.firstStep ||
    (summary.firstStep === bucket.firstStep && summary.firstTime < bucket.firstTime);
  if (isFirst) {
    bucket.firstStep = summary.firstStep;
    bucket.firstTime = summary.firstTime;
    bucket.firstValue = summary.firstValue;
  }
  const isLast =
    summary.lastStep > bucket.lastStep ||
    (summary.lastStep === bucket.lastStep && summary.lastTime >= bucket.lastTime);
  if (isLast) {
    bucket.lastStep = summary.lastStep;
    bucket.lastTime = summary.lastTime;
    bucket.lastValue = summary.lastValue;
  }
  bucket.sum += summary.sum;
  bucket.nans += summary.nans;
  bucket.positives += summary.positives;
  bucket.negatives += summary.negatives;
  if (summary.min !== null && (bucket.min === null || summary.min < bucket.min)) bucket.min = summary.min;
  if (summary.max !== null && (bucket.max === null || summary.max > bucket.max)) bucket.max = summary.max;
}

function pickBucket(summary: PointsSummary): Bucket {
  const { count, firstStep, firstTime, firstValue, lastStep, lastTime, lastValue, min, max } = summary;
  const { sum, nans, positives, negatives } = summary;
  return {
    ...{ count, firstStep, firstTime, firstValue, lastStep, lastTime, lastValue, min, max },
    ...{ sum, nans, positives, negatives },
  };
}
