import { CallbackList } from '../callbacks/callback-list.ts';
import { ControlFiles } from '../control/control-files.ts';
import { OutsideControl } from '../control/outside-control.ts';
import type { BatchSource } from '../data/batch-source.ts';
import { type KnownMetric, MetricCatalogue } from '../metrics/catalogue.ts';
import { MetricScope } from '../metrics/metric-scope.ts';
import { type MetricInput, toMetricNumber } from '../metrics/metric-value.ts';
import { TrackerFanOut } from '../trackers/tracker-fan-out.ts';
import { onSignals } from './end-signals.ts';
import { EpochProgress } from './epoch-progress.ts';
import type { Level, LevelEnd, LevelStatus } from './level.ts';
import { epochOf } from './metric-records.ts';
import type { PipelineOptions, RunOutcome } from './pipeline-options.ts';
import { RunStopped } from './signals.ts';
import { LifecycleMisuse, TrainingLifecycle } from './training-lifecycle.ts';
import { eachBatch, eachEpoch, type TrainingLoop } from './training-loop.ts';

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
  readonly #progress: EpochProgress;
  #params: Readonly<Params>;
  #lifecycle: TrainingLifecycle | undefined;
  #signal: AbortSignal | undefined;

  constructor(options: PipelineOptions<Params, Custom> = {}) {
    const { recordBatchesEvery = 1 } = options;
    if (!Number.isSafeInteger(recordBatchesEvery) || recordBatchesEvery < 1) {
      throw new RangeError(
        `recordBatchesEvery is a number of batches, at least 1, not ${recordBatchesEvery}.`,
      );
    }
    this.#options = options;
    this.#params = Object.freeze({ ...options.params }) as Readonly<Params>;
    this.#warn = options.warn ?? console.warn;
    this.#catalogue = new MetricCatalogue(options.metrics);
    this.runMetrics = new MetricScope(this.#catalogue, 'run');
    this.epochMetrics = new MetricScope(this.#catalogue, 'epoch');
    this.batchMetrics = new MetricScope(this.#catalogue, 'batch');
    this.#progress = new EpochProgress(this.epochMetrics, options.resumeFrom);
    this.#trackers = new TrackerFanOut(options.trackers ?? [], this.#warn);
    this.#callbacks = new CallbackList([this.#progress, ...(options.callbacks ?? [])]);
  }

  /** As they were given, and as they were changed since (`changeParam`). */
  get params(): Readonly<Params> {
    return this.#params;
  }

  async [CARRY_OUT]<Result>(program: () => Result | Promise<Result>): Promise<RunOutcome<Result>> {
    if (this.#lifecycle !== undefined) throw new LifecycleMisuse('A pipeline runs once; make another one.');
    const ending = onSignals(this.#options);
    this.#signal = ending.signal;
    const lifecycle = this.#newLifecycle(ending.signal);
    this.#lifecycle = lifecycle;
    try {
      return await this.#carryOut(lifecycle, program);
    } finally {
      await this.#trackers.close();
      ending.release();
      // Whoever wants the place back waits for the end of the process, and nothing else is to be done in it.
      if (lifecycle.isReleased) process.exit(0);
    }
  }

  [WITHIN](
    kind: 'epoch' | 'batch',
    index: number,
    body: () => unknown,
    options?: { readonly step?: number },
  ): Promise<LevelStatus> {
    return this.#running.within(kind, index, body, options);
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

  /**
   * One batch of an epoch. The step of its metrics is its number if left out.
   * @throws as `epoch`; EpochStopped when the epoch is to end
   */
  protected batch(
    index: number,
    body: () => unknown,
    options?: { readonly step?: number },
  ): Promise<LevelStatus> {
    return this[WITHIN]('batch', index, body, options);
  }

  /**
   * `count` epochs, each as `epoch` does it. A run that resumes goes on behind the epochs that were done, or in the
   * epoch that was not.
   * @throws as `epoch`; RangeError when fewer are asked for than are done
   */
  protected eachEpoch(count: number, body: (epoch: number) => unknown): Promise<void> {
    return eachEpoch(this.#loop, count, body);
  }

  /**
   * All batches of the epoch that is open, each as `batch` does it, with their number in the run as step. A run that
   * resumes in the middle of this epoch goes on behind those that were done; a `BatchSource` begins there.
   * @throws as `batch`; RangeError when the data has another length than that of before the checkpoint
   */
  protected eachBatch<T>(
    source: BatchSource<T> | Iterable<T> | AsyncIterable<T>,
    body: (batch: T, index: number) => unknown,
  ): Promise<void> {
    const epoch = epochOf(this.#running.current);
    if (epoch === null) throw new LifecycleMisuse('Batches are of an epoch, and no epoch is open.');
    return eachBatch(this.#loop, epoch.index, source, body);
  }

  /** Begins an epoch that `endEpoch` ends, for programs whose loop is not their own. */
  protected beginEpoch(index: number): Promise<Level> {
    return this.#running.begin('epoch', index);
  }

  /** @throws LifecycleMisuse when no epoch is open; RunStopped when the run is to end */
  protected async endEpoch(): Promise<void> {
    const open = epochOf(this.#running.current);
    if (open === null) throw new LifecycleMisuse('There is no open epoch to end.');
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
    const epoch = epochOf(current);
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

  /**
   * Called between two batches or epochs when somebody outside wants another value of a param. What it throws is the
   * reason why the program goes on with the old one; when it returns, `params` has the new one. Programs that take
   * some write this method; without it all are refused.
   */
  protected changeParam(name: string, _value: unknown): unknown {
    throw new Error(`the program does not take another value of ${name} while it runs`);
  }

  get #loop(): TrainingLoop {
    return {
      lifecycle: this.#running,
      progress: this.#progress,
      resumeFrom: this.#options.resumeFrom,
      warn: this.#warn,
    };
  }

  get #running(): TrainingLifecycle {
    if (this.#lifecycle === undefined)
      throw new LifecycleMisuse('The pipeline does not run: call run() first.');
    return this.#lifecycle;
  }

  #newLifecycle(signal: AbortSignal): TrainingLifecycle {
    const files = ControlFiles.ofAttempt(this.#options.env ?? process.env);
    const control =
      files &&
      new OutsideControl({
        ...{ files, signal, callbacks: this.#callbacks, warn: this.#warn },
        change: async (name, value) => {
          await this.changeParam(name, value);
          this.#params = Object.freeze({ ...this.#params, [name]: value });
        },
        release: () => this.#running.release(),
      });
    return new TrainingLifecycle({
      params: () => this.#params as Readonly<Record<string, unknown>>,
      trackers: this.#trackers,
      callbacks: this.#callbacks,
      scopes: { run: this.runMetrics, epoch: this.epochMetrics, batch: this.batchMetrics },
      signal,
      warn: this.#warn,
      now: Date.now,
      resumeFrom: this.#options.resumeFrom,
      recordBatchesEvery: this.#options.recordBatchesEvery ?? 1,
      atBoundary: async (context) => control?.atBoundary(context),
    });
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
