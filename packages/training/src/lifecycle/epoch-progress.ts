import type { Callback, CallbackContext } from '../callbacks/callback.ts';
import type { Checkpoint } from '../callbacks/checkpoint-directory.ts';
import type { MetricScope, ScopeState } from '../metrics/metric-scope.ts';

interface ProgressState {
  readonly epochMetrics: ScopeState;
  readonly batchesPerEpoch: number | null;
}

/** What a run that resumes in the middle of an epoch needs to record that epoch as if it had not been interrupted. */
export class EpochProgress implements Callback {
  readonly name = 'trainyard pipeline';
  readonly #metrics: MetricScope;
  readonly #from: Checkpoint | undefined;
  /** Of the data that the run reads, as far as that is known. */
  batchesPerEpoch: number | null = null;

  constructor(metrics: MetricScope, from: Checkpoint | undefined) {
    this.#metrics = metrics;
    this.#from = from;
  }

  /** How many batches an epoch had in the run that wrote the checkpoint. */
  get resumedBatchesPerEpoch(): number | null {
    return this.#resumed?.batchesPerEpoch ?? null;
  }

  state(): ProgressState {
    return { epochMetrics: this.#metrics.state(), batchesPerEpoch: this.batchesPerEpoch };
  }

  onEpochStart({ level }: CallbackContext): void {
    const from = this.#from;
    if (from === undefined || from.batchesOfEpoch === null || from.epoch !== level.index) return;
    this.#metrics.restore(this.#resumed?.epochMetrics ?? []);
  }

  /** Not by `restore`: a checkpoint of an older version, which has none, is no reason to warn. */
  get #resumed(): ProgressState | undefined {
    return this.#from?.callbacks[this.name] as ProgressState | undefined;
  }
}
