import { ValueWindow } from './window.ts';

/** A median deviation times this is a standard deviation, of normal noise. */
const MAD_TO_DEVIATION = 1.4826;

/**
 * How much the last `size` values of a series scatter around their trend: the standard deviation of the noise,
 * from differences of neighbours, since a slope is no noise. The differences are kept in order while somebody
 * asks, so that asking at every point costs little, and not asking next to nothing.
 */
export class NoiseWindow {
  readonly #values: ValueWindow;
  readonly #size: number;
  readonly #steps: Float64Array;
  /** Differences that are in order now; 0: they have to be put in order first. */
  #ordered = 0;
  #addedSinceAsked = 0;

  constructor(size: number) {
    this.#size = size;
    this.#values = new ValueWindow(size);
    this.#steps = new Float64Array(size - 1);
  }

  get values(): ValueWindow {
    return this.#values;
  }

  add(value: number): void {
    this.#addedSinceAsked += 1;
    if (this.#addedSinceAsked > this.#size) this.#ordered = 0;
    if (this.#ordered > 0) {
      if (this.#values.length === this.#size) this.#remove(this.#step(this.#size - 2));
      this.#insert(value - this.#values.last(0));
    }
    this.#values.add(value);
  }

  /** Of at least two values. */
  deviation(): number {
    this.#addedSinceAsked = 0;
    if (this.#ordered === 0) this.#order();
    const middle = lowerMiddle(this.#ordered);
    return (MAD_TO_DEVIATION * this.#medianDistance(this.#steps[middle]!, middle)) / Math.SQRT2;
  }

  /** The difference between a value and the one before it; 0 for the newest. */
  #step(back: number): number {
    return this.#values.last(back) - this.#values.last(back + 1);
  }

  #order(): void {
    this.#ordered = this.#values.length - 1;
    for (let at = 0; at < this.#ordered; at += 1) this.#steps[at] = this.#step(at);
    this.#steps.subarray(0, this.#ordered).sort();
  }

  #remove(step: number): void {
    this.#steps.copyWithin(this.#placeOf(step), this.#placeOf(step) + 1, this.#ordered);
    this.#ordered -= 1;
  }

  #insert(step: number): void {
    const place = this.#placeOf(step);
    this.#steps.copyWithin(place + 1, place, this.#ordered);
    this.#steps[place] = step;
    this.#ordered += 1;
  }

  /** Of the first difference that is not below `step`. */
  #placeOf(step: number): number {
    let from = 0;
    let to = this.#ordered;
    while (from < to) {
      const half = (from + to) >> 1;
      if (this.#steps[half]! < step) from = half + 1;
      else to = half;
    }
    return from;
  }

  /** Median of the distances from `center`, which stands at `at`: they grow to both sides. */
  #medianDistance(center: number, at: number): number {
    let below = at - 1;
    let above = at + 1;
    let distance = 0;
    for (let rank = lowerMiddle(this.#ordered); rank > 0; rank -= 1) {
      const down = below < 0 ? Number.POSITIVE_INFINITY : center - this.#steps[below]!;
      const up = above >= this.#ordered ? Number.POSITIVE_INFINITY : this.#steps[above]! - center;
      distance = Math.min(down, up);
      if (down <= up) below -= 1;
      else above += 1;
    }
    return distance;
  }
}

/** Place of the median; of an even number the lower one. */
function lowerMiddle(count: number): number {
  return Math.ceil(count / 2) - 1;
}
