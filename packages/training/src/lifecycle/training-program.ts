import type { Callback } from '../callbacks/callback.ts';
import { CallbackList } from '../callbacks/callback-list.ts';
import type { Checkpoint } from '../callbacks/checkpoint-directory.ts';
import { type KnownMetric, MetricCatalogue, type MetricKind } from '../metrics/catalogue.ts';
import { MetricScope } from '../metrics/metric-scope.ts';
import { type MetricInput, toMetricNumber } from '../metrics/metric-value.ts';
import type { Tracker } from '../trackers/tracker.ts';
import { TrackerFanOut } from '../trackers/tracker-fan-out.ts';
import { onSignals } from './end-signals.ts';
import type { Level, LevelEnd, LevelStatus } from './level.ts';
import { RunStopped } from './signals.ts';
import { LifecycleMisuse, TrainingLifecycle } from './training-lifecycle.ts';

export interface PipelineOptions<Params extends object, Custom extends string> {
  readonly params?: Params;
  /** Metrics of the program's own, beside those of the catalogue. */
  readonly metrics?: Readonly<Record<Custom, MetricKind>>;
  readonly trackers?: readonly Tracker[];
  readonly callbacks?: readonly Callback[];
  /** Callbacks go on from what they had there. The program loads its own part of it. */
  readonly resumeFrom?: Checkpoint | undefined;
  /** Ends the run as cancelled when it fires. */
  readonly signal?: AbortSignal;
  /** Whether SIGINT and SIGTERM do so, too; true if left out. */
  readonly handleSignals?: boolean;
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

/** Carries out what a program does as its run: for the ways in which programs are written, not for programs. */
export const CARRY_OUT = Symbol('carryOut');
/** Carries out a part of a program as a level. */
export const WITHIN = Symbol('within');

/**
 * What every training program has, in whichever way it is written: scopes for epochs and batches, whose metrics are
 * recorded at their ends, and trackers and callbacks that are told. Everything is closed on every path.
 */
export abstract class TrainingProgram<
  Params extends object = Record<string, unknown>,
  Custom extends string = never,
> {
  readonly params: Readonly<Params>;
  /** Recorded at the end of the run. */
  readonly runMetrics: MetricScope<Custom>;
  /** Recorded at the end of an epoch with its number as step, and empty then. */
  readonly epochMetrics: MetricScope<Custom>;
  /** Recorded at the end of a batch with its number as step, and empty then. */
  readonly batchMetrics: MetricScope<Custom>;
  readonly #options: PipelineOptions<Params, Custom>;
  readonly #catalogue: MetricCatalogue;
  readonly #trackers: TrackerFanOut;
  readonly #callbacks: CallbackList;
  readonly #warn: (message: string) => void;
  #lifecycle: TrainingLifecycle | undefined;
  #signal: AbortSignal | undefined;

  constructor(options: PipelineOptions<Params, Custom> = {}) {
    this.#options = options;
    this.params = Object.freeze({ ...options.params }) as Readonly<Params>;
    this.#warn = options.warn ?? console.warn;
    this.#catalogue = new MetricCatalogue(options.metrics);
    this.runMetrics = new MetricScope(this.#catalogue);
    this.epochMetrics = new MetricScope(this.#catalogue);
    this.batchMetrics = new MetricScope(this.#catalogue);
    this.#trackers = new TrackerFanOut(options.trackers ?? [], this.#warn);
    this.#callbacks = new CallbackList(options.callbacks ?? []);
  }

  async [CARRY_OUT]<Result>(program: () => Result | Promise<Result>): Promise<RunOutcome<Result>> {
    if (this.#lifecycle !== undefined) throw new LifecycleMisuse('A pipeline runs once; make another one.');
    const ending = onSignals(this.#options);
    this.#signal = ending.signal;
    this.#lifecycle = new TrainingLifecycle({
      params: { ...this.params },
      trackers: this.#trackers,
      callbacks: this.#callbacks,
      scopes: { run: this.runMetrics, epoch: this.epochMetrics, batch: this.batchMetrics },
      signal: ending.signal,
      warn: this.#warn,
      now: Date.now,
      resumeFrom: this.#options.resumeFrom,
    });
    try {
      return await this.#carryOut(this.#lifecycle, program);
    } finally {
      await this.#trackers.close();
      ending.release();
    }
  }

  [WITHIN](kind: 'epoch' | 'batch', index: number, body: () => unknown): Promise<LevelStatus> {
    return this.#running.within(kind, index, body);
  }

  /** Fires when the program is to end: hand it to what takes long. */
  protected get signal(): AbortSignal {
    if (this.#signal === undefined)
      throw new LifecycleMisuse('There is a signal only while the pipeline runs.');
    return this.#signal;
  }

  /** One epoch. Its number is the step of its metrics. @throws what the body throws; RunStopped when the run is to end */
  protected epoch(index: number, body: () => unknown): Promise<LevelStatus> {
    return this[WITHIN]('epoch', index, body);
  }

  /** One batch of an epoch. @throws as `epoch`; EpochStopped when the epoch is to end */
  protected batch(index: number, body: () => unknown): Promise<LevelStatus> {
    return this[WITHIN]('batch', index, body);
  }

  /** Begins an epoch that `endEpoch` ends, for programs whose loop is not their own. */
  protected beginEpoch(index: number): Promise<Level> {
    return this.#running.begin('epoch', index);
  }

  /** @throws LifecycleMisuse when no epoch is open; RunStopped when the run is to end */
  protected async endEpoch(): Promise<void> {
    const { current } = this.#running;
    const open = current?.kind === 'batch' ? current.parent : current;
    if (open?.kind !== 'epoch') throw new LifecycleMisuse('There is no open epoch to end.');
    await this.#running.end(open, { status: 'completed', endedAtMs: Date.now() });
  }

  /**
   * Records a value at once. Its step is the number of the epoch if left out.
   * @throws UnknownMetric, NotAMetric, and RangeError when the step is no whole number
   */
  protected track(
    name: KnownMetric | Custom,
    value: MetricInput,
    { step }: { readonly step?: number } = {},
  ): void {
    const { current } = this.#running;
    const epoch = current?.kind === 'batch' ? current.parent : current?.kind === 'epoch' ? current : null;
    const at = step ?? epoch?.index ?? 0;
    if (!Number.isSafeInteger(at))
      throw new RangeError(`The step of "${name}" is ${at}, not a whole number.`);
    const { total, labels } = toMetricNumber(name, value, this.#catalogue.kindOf(name));
    const record = {
      name,
      value: total,
      ...(labels !== undefined && { labels }),
      step: at,
      epoch: epoch?.index ?? null,
      batch: current?.kind === 'batch' ? current.index : null,
      of: null,
      timeMs: Date.now(),
    };
    this.#trackers.track([record]);
  }

  /** Tells all trackers of params, beside those of the pipeline, which are logged when it starts. */
  protected logParams(params: Readonly<Record<string, unknown>>): void {
    this.#trackers.logParams(params);
  }

  /** Ends the run, `stopped`, at the end of this batch or epoch. */
  protected stop(reason: string): void {
    this.#running.stop(reason);
  }

  /** Ends this epoch at the end of this batch. */
  protected stopEpoch(reason: string): void {
    this.#running.stopEpoch(reason);
  }

  get #running(): TrainingLifecycle {
    if (this.#lifecycle === undefined)
      throw new LifecycleMisuse('The pipeline does not run: call run() first.');
    return this.#lifecycle;
  }

  async #carryOut<Result>(
    lifecycle: TrainingLifecycle,
    program: () => Result | Promise<Result>,
  ): Promise<RunOutcome<Result>> {
    let failure: { readonly error: unknown } | undefined;
    let result: Result | undefined;
    try {
      await lifecycle.begin('run', 0);
      result = await lifecycle.untilCancelled(program);
      if (lifecycle.stopReason !== undefined) failure = { error: new RunStopped(lifecycle.stopReason) };
    } catch (error) {
      failure = { error };
    }
    const end = lifecycle.endOf(failure?.error, failure !== undefined);
    await this.#endRun(lifecycle, end, failure?.error);
    if (failure !== undefined && end.status !== 'stopped') throw failure.error;
    return { status: end.status === 'stopped' ? 'stopped' : 'completed', result, reason: end.reason };
  }

  async #endRun(lifecycle: TrainingLifecycle, end: LevelEnd, error: unknown): Promise<void> {
    const level = lifecycle.outermost;
    if (level === undefined) return;
    if (end.status === 'failed') {
      const context = lifecycle.contextOf(level);
      const told = await this.#callbacks.call((each) => each.onException?.(context, error));
      if (told.hasFailed)
        this.#warn(`A callback has failed while it was told of the failure: ${String(told.error)}`);
    }
    await lifecycle.end(level, end);
  }
}
