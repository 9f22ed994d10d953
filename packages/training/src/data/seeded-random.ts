/** State of a generator: four whole numbers of 32 bits, which JSON holds as they are. */
export type RandomState = readonly [number, number, number, number];

/**
 * Random numbers that are the same for the same seed, and go on from a saved state: sfc32 of Chris Doty-Humphrey's
 * PractRand, whose period is at least 2^32. Not for secrets.
 */
export class SeededRandom {
  #state: [number, number, number, number];

  /** @throws RangeError when a seed is no whole number */
  constructor(...seeds: readonly [number, ...number[]]) {
    const wrong = seeds.find((seed) => !Number.isSafeInteger(seed));
    if (wrong !== undefined) throw new RangeError(`A seed is a whole number, not ${wrong}.`);
    this.#state = [0, 0, 0, 1];
    for (const seed of seeds) {
      this.#state[0] ^= seed | 0;
      this.#state[1] ^= Math.floor(seed / 2 ** 32) | 0;
      // Seeds that differ in one bit differ in half of them after twelve rounds.
      for (let round = 0; round < 12; round += 1) this.uint32();
    }
  }

  get state(): RandomState {
    return [...this.#state];
  }

  set state([a, b, c, counter]: RandomState) {
    this.#state = [a, b, c, counter];
  }

  /** A whole number from 0 to 2^32 - 1. */
  uint32(): number {
    const [a, b, c, counter] = this.#state;
    const next = (a + b + counter) | 0;
    this.#state = [
      b ^ (b >>> 9),
      (c + (c << 3)) | 0,
      (((c << 21) | (c >>> 11)) + next) | 0,
      (counter + 1) | 0,
    ];
    return next >>> 0;
  }

  /** From 0 to 1, without 1. */
  next(): number {
    return this.uint32() / 2 ** 32;
  }

  /** Normally distributed with mean 0 and variance 1 (Box and Muller, one of the pair). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }

  /** Whole numbers from 0 to `size` - 1 in random order (Fisher and Yates). */
  permutation(size: number): Uint32Array {
    const order = Uint32Array.from({ length: size }, (_, index) => index);
    for (let last = size - 1; last > 0; last -= 1) {
      const other = Math.floor(this.next() * (last + 1));
      [order[last], order[other]] = [order[other]!, order[last]!];
    }
    return order;
  }
}
