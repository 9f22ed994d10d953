import type { Checkpoint } from '../callbacks/checkpoint-directory.ts';
import type { BatchSource } from '../data/batch-source.ts';
import type { EpochProgress } from './epoch-progress.ts';
import type { TrainingLifecycle } from './training-lifecycle.ts';

/** Epochs and batches from where a checkpoint was written, or from the first. */
export interface TrainingLoop {
  readonly lifecycle: TrainingLifecycle;
  readonly progress: EpochProgress;
  readonly resumeFrom: Checkpoint | undefined;
  readonly warn: (message: string) => void;
}

/**
 * All epochs of a run that are not done yet.
 * @throws RangeError when there are fewer than are done
 */
export async function eachEpoch(
  { lifecycle, resumeFrom }: TrainingLoop,
  count: number,
  body: (epoch: number) => unknown,
): Promise<void> {
  if (!Number.isSafeInteger(count) || count < 0)
    throw new RangeError(`A run has a whole number of epochs, not ${count}.`);
  const begun = (resumeFrom?.epoch ?? -1) + 1;
  if (resumeFrom !== undefined && begun > count) {
    throw new RangeError(
      `The checkpoint ${resumeFrom.path} is of epoch ${begun - 1}, and this run has only ${count} epochs; give it at least ${begun}.`,
    );
  }
  const first = resumeFrom?.batchesOfEpoch == null ? begun : begun - 1;
  for (let epoch = first; epoch < count; epoch += 1)
    await lifecycle.within('epoch', epoch, () => body(epoch));
}

/**
 * The batches of the epoch that is open, behind those that were done before the checkpoint. Their step is their number
 * in the run.
 * @throws RangeError when the source has another number of batches than the one of before the checkpoint
 */
export async function eachBatch<T>(
  loop: TrainingLoop,
  epoch: number,
  source: BatchSource<T> | Iterable<T> | AsyncIterable<T>,
  body: (batch: T, index: number) => unknown,
): Promise<void> {
  const { lifecycle, progress, resumeFrom } = loop;
  const first = resumeFrom?.epoch === epoch ? (resumeFrom.batchesOfEpoch ?? 0) : 0;
  const length = lengthOf(source);
  if (first > 0) requireSameLength(loop, length);
  progress.batchesPerEpoch = length;
  let index = first;
  for await (const batch of batchesFrom(loop, source, epoch, first)) {
    const at = index;
    // The number is taken before the batch begins, and counts it then.
    await lifecycle.within('batch', at, () => body(batch, at), { step: lifecycle.batches });
    index += 1;
  }
}

function batchesFrom<T>(
  { warn, resumeFrom }: TrainingLoop,
  source: BatchSource<T> | Iterable<T> | AsyncIterable<T>,
  epoch: number,
  first: number,
): Iterable<T> | AsyncIterable<T> {
  if ('batchesOf' in source) return source.batchesOf(epoch, first);
  if (first === 0) return source;
  if (Array.isArray(source)) return (source as T[]).slice(first);
  warn(
    `The batches cannot begin in the middle of an epoch: the ${first} that were done before ${resumeFrom?.path} are read again and passed over. They are the same only if the source gives them in the same order each time.`,
  );
  return behind(source, first);
}

async function* behind<T>(source: Iterable<T> | AsyncIterable<T>, first: number): AsyncIterable<T> {
  let index = 0;
  for await (const batch of source) {
    if (index >= first) yield batch;
    index += 1;
  }
}

function lengthOf(source: object): number | null {
  const { length } = source as { readonly length?: unknown };
  return typeof length === 'number' ? length : null;
}

function requireSameLength({ progress, resumeFrom }: TrainingLoop, length: number | null): void {
  const before = progress.resumedBatchesPerEpoch;
  if (before === null || length === null || before === length) return;
  throw new RangeError(
    `The checkpoint ${resumeFrom?.path} was written in the middle of an epoch of ${before} batches, and this epoch has ${length}; give it the same data and batch size, or resume from the end of an epoch.`,
  );
}
