/**
 * Sum of the last `size` numbers, at the same cost however many they are. Nothing is ever taken away from a sum, so
 * a value that is huge leaves no rounding behind when it has gone.
 */
export class SlidingSum {
  readonly #block: Float64Array;
  /** Of the block before this one: the sum from each place to its end. */
  readonly #ends: Float64Array;
  #count = 0;
  #sum = 0;

  constructor(size: number) {
    this.#block = new Float64Array(size);
    this.#ends = new Float64Array(size);
  }

  add(value: number): void {
    const size = this.#block.length;
    const at = this.#count % size;
    this.#block[at] = value;
    this.#sum += value;
    this.#count += 1;
    if (at < size - 1) return;
    let end = 0;
    for (let place = size - 1; place >= 0; place -= 1) {
      end += this.#block[place]!;
      this.#ends[place] = end;
    }
    this.#sum = 0;
  }

  get length(): number {
    return Math.min(this.#count, this.#block.length);
  }

  /** Of what there is; NaN of nothing. */
  get mean(): number {
    return (this.#ends[this.#count % this.#block.length]! + this.#sum) / this.length;
  }
}
