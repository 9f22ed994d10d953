import type { MetricInput } from '../metrics/metric-value.ts';
import type { Callback, CallbackContext, CallbackEnd } from './callback.ts';

export interface LearningRateMonitorOptions {
  /** The rate now; of several groups of weights a value by the name of each. */
  readonly rate: () => MetricInput;
  /** At the beginning of each epoch, or at the end of each batch; the former if left out. */
  readonly every?: 'epoch' | 'batch';
}

/** Records `learning_rate` with the number of the epoch or batch as step. */
export class LearningRateMonitor implements Callback {
  readonly name = 'learning-rate-monitor';
  readonly #rate: () => MetricInput;
  readonly #every: 'epoch' | 'batch';

  /** @throws RangeError when it is to record at something else */
  constructor({ rate, every = 'epoch' }: LearningRateMonitorOptions) {
    if (every !== 'epoch' && every !== 'batch')
      throw new RangeError(`every is "epoch" or "batch", not ${JSON.stringify(every)}`);
    this.#rate = rate;
    this.#every = every;
  }

  onEpochStart(context: CallbackContext): void {
    if (this.#every === 'epoch') context.record('learning_rate', this.#rate());
  }

  onBatchEnd(context: CallbackEnd): void {
    if (this.#every === 'batch') context.record('learning_rate', this.#rate());
  }
}
