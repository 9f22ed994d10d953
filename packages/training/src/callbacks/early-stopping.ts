import type { Callback, CallbackContext, CallbackEnd } from './callback.ts';

export interface EarlyStoppingOptions {
  /** Name of the metric of epochs that is watched. */
  readonly metric?: string;
  /** Whether it is to become smaller or larger. */
  readonly mode?: 'min' | 'max';
  /** So many epochs without an improvement end the run. */
  readonly patience?: number;
  /** An improvement is more than so many percent of the best value's size. */
  readonly minDeltaPercent?: number;
  /** No stop before so many epochs were judged. */
  readonly minEpochs?: number;
  /** NaN or an infinity ends the run at once. If false, it counts as an epoch without an improvement. */
  readonly checkFinite?: boolean;
  /** A value at least as good as this ends the run. */
  readonly stoppingThreshold?: number;
  /** A value worse than this ends the run. */
  readonly divergenceThreshold?: number;
}

interface EarlyStoppingState {
  readonly best: number | undefined;
  readonly bestEpoch: number | undefined;
  readonly judged: number;
  readonly waited: number;
}

/** Why it has ended a run. */
export type StopReason = 'patience' | 'not_finite' | 'threshold_reached' | 'diverged';

/**
 * Ends a run when a metric gets no better. The first value is the baseline. Epochs without the metric are told once
 * and do not count.
 */
export class EarlyStopping implements Callback {
  readonly name: string;
  readonly #options: Required<
    Pick<EarlyStoppingOptions, 'metric' | 'mode' | 'patience' | 'minDeltaPercent'>
  > &
    EarlyStoppingOptions;
  #best: number | undefined;
  #bestEpoch: number | undefined;
  #judged = 0;
  #waited = 0;
  #reason: StopReason | undefined;
  #hasWarned = false;

  /** @throws RangeError when an option makes no sense */
  constructor(options: EarlyStoppingOptions = {}) {
    const { metric = 'val_loss', mode = 'min', patience = 5, minDeltaPercent = 0 } = options;
    if (mode !== 'min' && mode !== 'max')
      throw new RangeError(`mode is "min" or "max", not ${JSON.stringify(mode)}`);
    if (!Number.isInteger(patience) || patience < 1) {
      throw new RangeError(`patience is a number of epochs, at least 1, not ${patience}`);
    }
    if (!(minDeltaPercent >= 0))
      throw new RangeError(`minDeltaPercent is at least 0, not ${minDeltaPercent}`);
    this.#options = { ...options, metric, mode, patience, minDeltaPercent };
    this.name = `early-stopping ${metric}`;
  }

  /** The best value so far. */
  get best(): number | undefined {
    return this.#best;
  }

  /** Number of the epoch that had it. */
  get bestEpoch(): number | undefined {
    return this.#bestEpoch;
  }

  /** Why it has ended the run; `undefined` when it has not. */
  get reason(): StopReason | undefined {
    return this.#reason;
  }

  /** It begins anew with each run. */
  onRunStart(_context: CallbackContext): void {
    this.#best = undefined;
    this.#bestEpoch = undefined;
    this.#judged = 0;
    this.#waited = 0;
    this.#reason = undefined;
    this.#hasWarned = false;
  }

  state(): EarlyStoppingState {
    return { best: this.#best, bestEpoch: this.#bestEpoch, judged: this.#judged, waited: this.#waited };
  }

  restore(state: unknown): void {
    const { best, bestEpoch, judged, waited } = state as EarlyStoppingState;
    [this.#best, this.#bestEpoch, this.#judged, this.#waited] = [best, bestEpoch, judged, waited];
  }

  onEpochEnd(context: CallbackEnd): void {
    const { metric, minEpochs = 0 } = this.#options;
    const value = context.metrics.get(metric);
    if (value === undefined) {
      if (!this.#hasWarned)
        context.warn(`Early stopping finds no metric "${metric}" in epoch ${context.level.index}.`);
      this.#hasWarned = true;
      return;
    }
    this.#judged += 1;
    const verdict = this.#judge(value, context.level.index);
    if (verdict === undefined || this.#judged < minEpochs) return;
    this.#reason = verdict.reason;
    context.stop(verdict.message);
  }

  #judge(value: number, epoch: number): { reason: StopReason; message: string } | undefined {
    const { metric, patience, checkFinite = true, stoppingThreshold, divergenceThreshold } = this.#options;
    if (!Number.isFinite(value) && checkFinite) {
      return { reason: 'not_finite', message: `${metric} is ${value}` };
    }
    if (this.#improves(value)) {
      this.#best = value;
      this.#bestEpoch = epoch;
      this.#waited = 0;
    } else {
      this.#waited += 1;
    }
    if (
      stoppingThreshold !== undefined &&
      (this.#isBetter(value, stoppingThreshold) || value === stoppingThreshold)
    ) {
      return { reason: 'threshold_reached', message: `${metric} has reached ${value}` };
    }
    if (divergenceThreshold !== undefined && this.#isBetter(divergenceThreshold, value)) {
      return { reason: 'diverged', message: `${metric} is ${value}, worse than ${divergenceThreshold}` };
    }
    if (this.#waited < patience) return undefined;
    const best =
      this.#best === undefined ? 'none was finite' : `the best was ${this.#best} in epoch ${this.#bestEpoch}`;
    return { reason: 'patience', message: `${metric} has not improved for ${this.#waited} epochs; ${best}` };
  }

  #improves(value: number): boolean {
    if (!Number.isFinite(value)) return false;
    if (this.#best === undefined) return true;
    const { mode, minDeltaPercent } = this.#options;
    const gain = mode === 'min' ? this.#best - value : value - this.#best;
    // A share of the best value, not of a division by it: it may be 0.
    return gain > (Math.abs(this.#best) * minDeltaPercent) / 100;
  }

  #isBetter(value: number, than: number): boolean {
    return this.#options.mode === 'min' ? value < than : value > than;
  }
}
