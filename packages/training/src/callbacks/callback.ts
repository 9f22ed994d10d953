import type { Level, LevelEnd } from '../lifecycle/level.ts';
import type { MetricValues } from '../metrics/metric-scope.ts';
import type { MetricInput } from '../metrics/metric-value.ts';
import type { Checkpoint } from './checkpoint-directory.ts';

/** What a callback is told, and what it can do. */
export interface CallbackContext {
  readonly params: Readonly<Record<string, unknown>>;
  /** The run, epoch or batch that it is about. */
  readonly level: Level;
  /** Metrics of that level, as they are recorded at its end. */
  readonly metrics: MetricValues;
  /** Records a value at once, with the number of the level as step. @throws UnknownMetric, NotAMetric */
  record(name: string, value: MetricInput): void;
  /** Lets the run end early, `stopped`, once all callbacks were told. The first reason counts. */
  stop(reason: string): void;
  /** Lets this epoch end early, at the end of this batch; from `onBatchStart`, before the batch. */
  stopEpoch(reason: string): void;
  /** What all callbacks go on from when a run resumes here, by their names. */
  callbackStates(): Promise<Readonly<Record<string, unknown>>>;
  /** For people; training goes on. */
  warn(message: string): void;
}

export interface CallbackEnd extends CallbackContext {
  readonly end: LevelEnd;
}

/** A run goes on that somebody had paused. */
export interface CallbackResume extends CallbackContext {
  /** How long it stood still. */
  readonly pausedMs: number;
}

/**
 * Something that follows a run. All hooks may be asynchronous; the program waits for them. A hook that throws fails
 * the run, after the others were called. Answering `false` from `onBatchEnd` or `onEpochEnd` ends the run early.
 */
export interface Callback {
  /** For messages and saved state; unique in a run. */
  readonly name: string;
  /** It is called after those that do not say so: what saves checkpoints sees what the others have decided. */
  readonly isLast?: boolean;
  /** What it needs to go on in a run that resumes here, as JSON can hold it. Written beside each checkpoint. */
  state?(): unknown;
  /** Gives it back what it had; called behind `onRunStart`. */
  restore?(state: unknown, from: Checkpoint): unknown;
  onRunStart?(context: CallbackContext): unknown;
  onEpochStart?(context: CallbackContext): unknown;
  onBatchStart?(context: CallbackContext): unknown;
  onBatchEnd?(context: CallbackEnd): unknown;
  /** Not called for an epoch that failed or was cancelled. */
  onEpochEnd?(context: CallbackEnd): unknown;
  /** Somebody outside pauses the run; it stands still behind this call. */
  onPause?(context: CallbackContext): unknown;
  onResume?(context: CallbackResume): unknown;
  /** Somebody outside wants a checkpoint now. Answers the path of what was saved, or nothing. */
  onSaveRequest?(context: CallbackContext): Promise<string | undefined> | string | undefined;
  /** Somebody outside has changed params, and the program goes on with these values. */
  onParamsChanged?(context: CallbackContext, changed: Readonly<Record<string, unknown>>): unknown;
  /** The run has failed; `onRunEnd` follows. */
  onException?(context: CallbackContext, error: unknown): unknown;
  /** Always the last call, however the run has ended. */
  onRunEnd?(context: CallbackEnd): unknown;
}
