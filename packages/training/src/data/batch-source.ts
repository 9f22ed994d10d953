/** Data that can be read from the middle of an epoch on. */
export interface BatchSource<T> {
  /** Batches of an epoch, where that is known. */
  readonly length?: number;
  /** The batches of an epoch from the one with the number `first` on, the same each time. */
  batchesOf(epoch: number, first: number): Iterable<T> | AsyncIterable<T>;
}
