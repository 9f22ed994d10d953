import { appendFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { attemptFiles } from '@trainyard/protocol';
import type { Callback, CallbackContext, CallbackEnd, CallbackResume } from './callback.ts';
import { type Checkpoint, CheckpointDirectory } from './checkpoint-directory.ts';
import { bestFirst, type KeepRule, keptCheckpoints } from './checkpoint-ranking.ts';

export interface ModelCheckpointOptions {
  /** Writes a file or a directory at this path, whole when it has returned. */
  readonly save: (path: string) => unknown;
  /** Where checkpoints are kept; `checkpoints` if left out. */
  readonly directory?: string;
  /** Metric of epochs by which they are ranked; if left out, the first are the best. */
  readonly metric?: string;
  readonly mode?: 'min' | 'max';
  /** So many of the best are kept; 1 if left out, -1 for all. */
  readonly topK?: number;
  /** Whether the newest is kept beside those; true if left out. */
  readonly keepLast?: boolean;
  /** One after so many epochs; 1 if no other interval is given. One interval only. */
  readonly everyEpochs?: number;
  /** One after so many batches. */
  readonly everyBatches?: number;
  /** One at the end of a batch or epoch when so many milliseconds have gone by since the last. */
  readonly everyMs?: number;
  /** One when the run fails. */
  readonly saveOnException?: boolean;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

interface SavedState {
  readonly batches: number;
  readonly kept: readonly string[];
}

/** The newest checkpoint of a directory that is as it was written: what a run resumes from. */
export function latestCheckpoint(directory = 'checkpoints'): Promise<Checkpoint | undefined> {
  return new CheckpointDirectory(directory).latest();
}

/**
 * The checkpoint at a path; if it is left out, what Trainyard says that this attempt resumes from, else the newest of a
 * directory.
 * @throws Error when the one that is named is not there, or not as it was written
 */
export async function checkpointToResume({
  path,
  directory = checkpointDirectory(),
  env = process.env,
}: {
  readonly path?: string;
  readonly directory?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
} = {}): Promise<Checkpoint | undefined> {
  const named = path ?? env['TRAINYARD_RESUME_FROM'];
  if (named !== undefined && named !== '')
    return new CheckpointDirectory(dirname(named)).named(basename(named));
  return latestCheckpoint(directory);
}

/** Where checkpoints of a program are kept that names no directory: inside of Trainyard one of the attempt's own. */
export function checkpointDirectory(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const attempt = env['TRAINYARD_ATTEMPT_DIR'];
  return attempt === undefined || attempt === '' ? 'checkpoints' : join(attempt, 'checkpoints');
}

/**
 * Saves checkpoints, and removes those that are no longer among the best or the newest, once the new one is there.
 * One that the run has resumed from stays, and so do those that another run has left. Inside of Trainyard each is
 * recorded (docs/guides/training-jobs.md, "Checkpoints"). A run that ends well saves what was not saved yet.
 */
export class ModelCheckpoint implements Callback {
  readonly name: string;
  readonly isLast = true;
  readonly #options: ModelCheckpointOptions;
  readonly #rule: KeepRule;
  readonly #directory: CheckpointDirectory;
  #kept: Checkpoint[] = [];
  #epoch: number | null = null;
  #batches = 0;
  #batchesOfEpoch = 0;
  #isInEpoch = false;
  #resumedAt: Checkpoint | undefined;
  #value: number | null = null;
  #savedAtMs = 0;
  #isSaved = true;
  readonly #requested = new Set<string>();

  /** @throws RangeError when an option makes no sense */
  constructor(options: ModelCheckpointOptions) {
    const { mode = 'min', topK = 1, keepLast = true, directory = 'checkpoints' } = options;
    const intervals = [options.everyEpochs, options.everyBatches, options.everyMs];
    const given = intervals.filter((each) => each !== undefined);
    if (given.length > 1)
      throw new RangeError('Give one of everyEpochs, everyBatches and everyMs, not several.');
    if (given.some((each) => !Number.isInteger(each) || each < 1))
      throw new RangeError(`An interval is a whole number of at least 1, not ${given[0]}.`);
    if (!Number.isInteger(topK) || topK < -1)
      throw new RangeError(`topK is a number of checkpoints, or -1 for all, not ${topK}.`);
    if (mode !== 'min' && mode !== 'max')
      throw new RangeError(`mode is "min" or "max", not ${JSON.stringify(mode)}`);
    this.#options = options;
    this.#rule = { mode, topK, keepLast };
    this.#directory = new CheckpointDirectory(directory);
    this.name = `model-checkpoint ${directory}`;
  }

  /** The best of those that are kept. */
  get best(): Checkpoint | undefined {
    return bestFirst(this.#kept, this.#rule.mode)[0];
  }

  /** The newest of those that are kept. */
  get last(): Checkpoint | undefined {
    return this.#kept.at(-1);
  }

  async onRunStart({ level }: CallbackContext): Promise<void> {
    [this.#kept, this.#resumedAt, this.#epoch, this.#isInEpoch] = [[], undefined, null, false];
    [this.#batches, this.#savedAtMs, this.#isSaved, this.#value] = [0, level.startedAtMs, true, null];
    this.#requested.clear();
    await this.#directory.removeUnfinished();
  }

  onEpochStart({ level }: CallbackContext): void {
    this.#epoch = level.index;
    this.#isInEpoch = true;
    // An epoch that was saved in the middle goes on behind the batches that were done.
    this.#batchesOfEpoch = this.#resumedAt?.epoch === level.index ? (this.#resumedAt.batchesOfEpoch ?? 0) : 0;
  }

  async onBatchEnd(context: CallbackEnd): Promise<void> {
    const { everyBatches, everyMs } = this.#options;
    this.#batches += 1;
    this.#batchesOfEpoch += 1;
    this.#isSaved = false;
    this.#value = this.#valueIn(context);
    const isDue =
      everyBatches === undefined ? this.#isTimeOver(everyMs, context) : this.#batches % everyBatches === 0;
    if (isDue) await this.#save(context, `epoch-${this.#epoch}-batch-${this.#batches}`);
  }

  async onEpochEnd(context: CallbackEnd): Promise<void> {
    const { everyEpochs = 1, everyBatches, everyMs } = this.#options;
    this.#isInEpoch = false;
    // What was saved at the end of its last batch is not saved again.
    if (this.#batchesOfEpoch === 0) this.#isSaved = false;
    this.#value = this.#valueIn(context);
    if (everyBatches !== undefined || this.#isSaved) return;
    const isDue =
      everyMs === undefined
        ? (context.level.index + 1) % everyEpochs === 0
        : this.#isTimeOver(everyMs, context);
    if (isDue) await this.#save(context, `epoch-${context.level.index}`);
  }

  /** Time in which the run stood still does not count for `everyMs`. */
  onResume({ pausedMs }: CallbackResume): void {
    this.#savedAtMs += pausedMs;
  }

  /** One that somebody has asked for is kept as long as the run goes on, whatever the rule says. */
  async onSaveRequest(context: CallbackContext): Promise<string | undefined> {
    if (!this.#isSaved) {
      const place = this.#isInEpoch ? `-batch-${this.#batches}` : '';
      await this.#save(context, `epoch-${this.#epoch}${place}`, { isRequested: true });
    }
    const { last } = this;
    if (last !== undefined) this.#requested.add(last.path);
    return last?.path;
  }

  async onException(context: CallbackContext): Promise<void> {
    if (this.#options.saveOnException !== true || this.#isSaved) return;
    await this.#save(context, `epoch-${this.#epoch}-failed`);
  }

  async onRunEnd(context: CallbackEnd): Promise<void> {
    const { status } = context.end;
    const isGood = status === 'completed' || status === 'stopped';
    if (isGood && !this.#isSaved) await this.#save(context, 'final');
  }

  state(): SavedState {
    return { batches: this.#batches, kept: this.#kept.map(({ path }) => path) };
  }

  async restore(state: unknown, from: Checkpoint): Promise<void> {
    const { batches, kept } = state as SavedState;
    this.#batches = batches;
    this.#epoch = from.epoch;
    this.#resumedAt = from;
    const mine = new Set([...kept, from.path]);
    this.#kept = (await this.#directory.list()).filter(({ path }) => mine.has(path));
  }

  #isTimeOver(everyMs: number | undefined, { end }: CallbackEnd): boolean {
    return everyMs !== undefined && end.endedAtMs - this.#savedAtMs >= everyMs;
  }

  /** Null for what is not there or not finite. */
  #valueIn({ metrics }: CallbackContext): number | null {
    const { metric } = this.#options;
    const value = metric === undefined ? undefined : metrics.get(metric);
    return value !== undefined && Number.isFinite(value) ? value : null;
  }

  async #save(context: CallbackContext, name: string, { isRequested = false } = {}): Promise<void> {
    const { save } = this.#options;
    const value = this.#value;
    const next = { order: Number.POSITIVE_INFINITY, value };
    if (!isRequested && !keptCheckpoints([...this.#kept, next], this.#rule).includes(next)) return;
    const saved = await this.#directory.save(name, save, {
      epoch: this.#epoch,
      batchesOfEpoch: this.#isInEpoch ? this.#batchesOfEpoch : null,
      batches: this.#batches,
      value,
      callbacks: await context.callbackStates(),
    });
    this.#isSaved = true;
    this.#savedAtMs = Date.now();
    this.#record(saved);
    const all = [...this.#kept, saved];
    const kept = keptCheckpoints(all, this.#rule);
    const isPinned = (each: Checkpoint) =>
      each.path === this.#resumedAt?.path ||
      this.#requested.has(each.path) ||
      (isRequested && each === saved);
    this.#kept = all.filter((each) => kept.includes(each) || isPinned(each));
    for (const each of all) if (!this.#kept.includes(each)) await this.#directory.remove(each);
  }

  /** Trainyard reads it when the attempt has ended; what is not there any more counts as deleted by itself. */
  #record({ path, epoch, batches, value }: Checkpoint): void {
    const { env = process.env, metric } = this.#options;
    const attempt = env['TRAINYARD_ATTEMPT_DIR'];
    if (attempt === undefined || attempt === '') return;
    const step = batches > 0 ? batches : Math.max(0, epoch ?? 0);
    const metrics = metric === undefined ? {} : { [metric]: value };
    const line = JSON.stringify({
      path,
      step,
      metrics,
      ...(epoch !== null && epoch >= 0 && { epoch }),
    });
    appendFileSync(attemptFiles(attempt, '').checkpoints, `${line}\n`);
  }
}
