import type { BatchSource } from './batch-source.ts';
import { SeededRandom } from './seeded-random.ts';

export interface SeededBatchesOptions {
  /** Items of an epoch. */
  readonly size: number;
  readonly batchSize: number;
  readonly seed: number;
  /** Whether the items are shuffled anew in each epoch; true if left out. */
  readonly shuffle?: boolean;
  /** Whether a last batch that is not full is left out; false if left out. */
  readonly dropLast?: boolean;
}

/**
 * Batches of indices of items, in an order that follows from the seed and the number of the epoch alone: a run that
 * resumes in the middle of an epoch gets the batches that it would have got.
 */
export class SeededBatches implements BatchSource<Uint32Array> {
  readonly length: number;
  readonly #options: SeededBatchesOptions;

  /** @throws RangeError when there is nothing to read */
  constructor(options: SeededBatchesOptions) {
    const { size, batchSize, dropLast = false } = options;
    if (!Number.isSafeInteger(size) || size < 1 || size >= 2 ** 32)
      throw new RangeError(`size is a number of items, not ${size}.`);
    if (!Number.isSafeInteger(batchSize) || batchSize < 1)
      throw new RangeError(`batchSize is a number of items, not ${batchSize}.`);
    this.#options = options;
    this.length = dropLast ? Math.floor(size / batchSize) : Math.ceil(size / batchSize);
  }

  *batchesOf(epoch: number, first: number): Iterable<Uint32Array> {
    const { size, batchSize, seed, shuffle = true } = this.#options;
    const order = shuffle
      ? new SeededRandom(seed, epoch).permutation(size)
      : Uint32Array.from({ length: size }, (_, index) => index);
    for (let batch = first; batch < this.length; batch += 1)
      yield order.slice(batch * batchSize, (batch + 1) * batchSize);
  }
}
