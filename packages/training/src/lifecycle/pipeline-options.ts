import type { Callback } from '../callbacks/callback.ts';
import type { Checkpoint } from '../callbacks/checkpoint-directory.ts';
import type { MetricKind } from '../metrics/catalogue.ts';
import type { Tracker } from '../trackers/tracker.ts';

export interface PipelineOptions<Params extends object, Custom extends string> {
  readonly params?: Params;
  /** Metrics of the program's own, beside those of the catalogue. */
  readonly metrics?: Readonly<Record<Custom, MetricKind>>;
  readonly trackers?: readonly Tracker[];
  readonly callbacks?: readonly Callback[];
  /** Callbacks go on from what they had there. The program loads its own part of it. */
  readonly resumeFrom?: Checkpoint | undefined;
  /** Metrics of batches are recorded for every so many of them; 1 if left out. Those of epochs and runs always are. */
  readonly recordBatchesEvery?: number;
  /** Ends the run as cancelled when it fires. */
  readonly signal?: AbortSignal;
  /** Whether SIGINT and SIGTERM do so, too; true if left out. */
  readonly handleSignals?: boolean;
  /** Where TRAINYARD_ATTEMPT_DIR is looked up, in which people outside pause the run and change its params. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where warnings go; standard error if left out. */
  readonly warn?: (message: string) => void;
}

/** How a run has ended; one that failed or was cancelled throws instead. */
export interface RunOutcome<Result> {
  readonly status: 'completed' | 'stopped';
  /** What the program returned; `undefined` when it was stopped before that. */
  readonly result: Result | undefined;
  /** Why it was stopped. */
  readonly reason: string | undefined;
}
