import { SlidingSum } from './sliding-sum.ts';

/** What a noisy series is at: a mean, how many points it is of, and how far it may be off for their noise alone. */
export interface Level {
  readonly value: number;
  /** Standard error of the mean. */
  readonly error: number;
}

/**
 * Levels of a series over its last points. Noise is measured by differences of neighbours, since a slope is none;
 * by their squares, since rewards that are mostly zero have no median difference.
 */
export class LevelWindow {
  readonly #short: SlidingSum;
  readonly #long: SlidingSum;
  readonly #squares: SlidingSum;
  #last: number | undefined;

  /** @param short points of a quick level @param long points of a sure one, and of what noise is measured by */
  constructor(short: number, long: number) {
    this.#short = new SlidingSum(short);
    this.#long = new SlidingSum(long);
    this.#squares = new SlidingSum(long - 1);
  }

  add(value: number): void {
    this.#short.add(value);
    this.#long.add(value);
    if (this.#last !== undefined) this.#squares.add((value - this.#last) ** 2);
    this.#last = value;
  }

  get length(): number {
    return this.#long.length;
  }

  get short(): Level {
    return this.#levelOf(this.#short);
  }

  get long(): Level {
    return this.#levelOf(this.#long);
  }

  #levelOf(values: SlidingSum): Level {
    const variance = this.#squares.length === 0 ? 0 : this.#squares.mean / 2;
    return { value: values.mean, error: Math.sqrt(variance / values.length) };
  }
}
