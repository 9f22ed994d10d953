import type { CallbackContext } from '../callbacks/callback.ts';
import type { CallbackList, HookResult } from '../callbacks/callback-list.ts';
import type { Checkpoint } from '../callbacks/checkpoint-directory.ts';
import type { MetricScope } from '../metrics/metric-scope.ts';
import type { TrackerFanOut } from '../trackers/tracker-fan-out.ts';
import { errorReport, type Level, type LevelEnd, type LevelKind, type LevelStatus } from './level.ts';
import { recordOf } from './metric-records.ts';
import { EpochStopped, RunCancelled, RunStopped } from './signals.ts';

export interface LifecycleOptions {
  /** As they are now. */
  readonly params: () => Readonly<Record<string, unknown>>;
  readonly trackers: TrackerFanOut;
  readonly callbacks: CallbackList;
  readonly scopes: Readonly<Record<LevelKind, MetricScope>>;
  /** Fires when the program is to end. */
  readonly signal: AbortSignal;
  readonly warn: (message: string) => void;
  readonly now: () => number;
  readonly resumeFrom: Checkpoint | undefined;
  /** Metrics of every so many batches are recorded. */
  readonly recordBatchesEvery: number;
  /** Where the program may be told something from outside: when an epoch begins, and behind each epoch and batch. */
  readonly atBoundary: (context: CallbackContext) => Promise<void>;
}

/** A scope that was opened where none could be, or was not closed. */
export class LifecycleMisuse extends Error {
  override readonly name = 'LifecycleMisuse';
}

/**
 * Opens and closes the levels of one run, records their metrics at their ends, and tells trackers and callbacks, on
 * every path. The order is the same everywhere: the metrics are recorded, trackers are told of the end, callbacks are
 * called, the scope is cleared.
 */
export class TrainingLifecycle {
  readonly #options: LifecycleOptions;
  readonly #open: Level[] = [];
  #stopReason: string | undefined;
  #epochStopReason: string | undefined;
  #batches = 0;
  #isReleased = false;

  constructor(options: LifecycleOptions) {
    this.#options = options;
  }

  /** The innermost level that is open. */
  get current(): Level | undefined {
    return this.#open.at(-1);
  }

  /** The run while it is open. */
  get outermost(): Level | undefined {
    return this.#open[0];
  }

  /** Batches that the run has begun, with those of before the checkpoint that it resumes from. */
  get batches(): number {
    return this.#batches;
  }

  get stopReason(): string | undefined {
    return this.#stopReason;
  }

  /** Whether its place is to be given back, so that another attempt goes on from its checkpoint. */
  get isReleased(): boolean {
    return this.#isReleased;
  }

  stop(reason: string): void {
    this.#stopReason ??= reason;
  }

  release(): void {
    this.#isReleased = true;
    this.stop('its place is given back; another attempt goes on from its checkpoint');
  }

  stopEpoch(reason: string): void {
    this.#epochStopReason ??= reason;
  }

  /** Opens a level. @throws LifecycleMisuse, what callbacks throw, RunStopped or RunCancelled when it must not begin */
  async begin(kind: LevelKind, index: number): Promise<Level> {
    const level = this.#openLevel(kind, index, index);
    await this.#tellStart(level);
    return level;
  }

  /**
   * Closes a level, and those inside of it that were left open. Rejects with what callbacks threw, and with
   * `RunStopped` or `EpochStopped` when the program is not to go on.
   */
  async end(level: Level, end: LevelEnd): Promise<void> {
    const results = [...(await this.#closeLeft(level, end)), await this.#close(level, end)];
    for (const result of results) throwFailure(result);
    if (level.kind === 'run' || end.status === 'failed' || end.status === 'cancelled') return;
    if (!this.#isEnding(level)) await this.#options.atBoundary(this.contextOf(level));
    this.#throwIfEnding({ orEpoch: level.kind === 'batch' });
  }

  /** Carries out a part of the program as a level of its own. @throws what the part throws, and as `end` */
  async within(
    kind: 'epoch' | 'batch',
    index: number,
    body: () => unknown,
    { step = index }: { readonly step?: number } = {},
  ): Promise<LevelStatus> {
    const level = this.#openLevel(kind, index, step);
    let failure: { readonly error: unknown } | undefined;
    try {
      await this.#tellStart(level);
      await this.untilCancelled(body);
    } catch (error) {
      failure = { error };
    }
    const end = this.endOf(failure?.error, failure !== undefined);
    await this.end(level, end);
    if (failure !== undefined && !(kind === 'epoch' && failure.error instanceof EpochStopped))
      throw failure.error;
    return end.status;
  }

  /** What becomes of a level whose part of the program has ended, or thrown. */
  endOf(error: unknown, hasThrown: boolean): LevelEnd {
    const endedAtMs = this.#options.now();
    if (!hasThrown) return { status: 'completed', endedAtMs };
    if (error instanceof RunStopped || error instanceof EpochStopped) {
      return { status: 'stopped', endedAtMs, reason: error.message };
    }
    if (error instanceof RunCancelled) return { status: 'cancelled', endedAtMs, reason: error.message };
    return { status: 'failed', endedAtMs, error: errorReport(error) };
  }

  /** Waits for a part of the program, but no longer than until the program is to end. @throws RunCancelled */
  async untilCancelled<T>(body: () => T | Promise<T>): Promise<T> {
    const { signal } = this.#options;
    this.#throwIfCancelled();
    const { promise: cancelled, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(cancelledBy(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const running = Promise.resolve(body());
      // Once it is cancelled nobody waits for it any more.
      running.catch(() => {});
      return await Promise.race([running, cancelled]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  contextOf(level: Level): CallbackContext {
    const { params, scopes, warn, callbacks, trackers } = this.#options;
    const metrics = scopes[level.kind];
    return {
      ...{ params: params(), level, metrics, warn },
      record: (name, value) =>
        trackers.track([recordOf(level, name, metrics.numberOf(name, value), this.#options.now())]),
      callbackStates: () => callbacks.states(),
      stop: (reason) => this.stop(reason),
      stopEpoch: (reason) => this.stopEpoch(reason),
    };
  }

  #openLevel(kind: LevelKind, index: number, step: number): Level {
    const parent = this.current ?? null;
    const outer = OUTER[kind];
    if (parent?.kind !== outer) {
      const place = parent === null ? 'no level is open' : `${nameOf(parent)} is open`;
      const rule =
        outer === undefined
          ? 'A run is the outermost level'
          : `A level "${kind}" begins inside of a level "${outer}"`;
      throw new LifecycleMisuse(`${rule}, but ${place}.`);
    }
    if (kind !== 'run') this.#throwIfEnding();
    if (kind === 'epoch') this.#epochStopReason = undefined;
    if (kind === 'batch') this.#batches += 1;
    const level: Level = { kind, index, step, parent, startedAtMs: this.#options.now() };
    this.#open.push(level);
    const { scopes, trackers, params } = this.#options;
    scopes[kind].open();
    trackers.start(level);
    if (kind === 'run') trackers.logParams(params());
    return level;
  }

  async #tellStart(level: Level): Promise<void> {
    const context = this.contextOf(level);
    const { callbacks, resumeFrom, warn } = this.#options;
    if (level.kind === 'run') {
      throwFailure(await callbacks.call((each) => each.onRunStart?.(context)));
      if (resumeFrom !== undefined) {
        this.#batches = resumeFrom.batches;
        throwFailure(await callbacks.restore(resumeFrom, warn));
      }
    }
    if (level.kind === 'epoch') {
      throwFailure(await callbacks.call((each) => each.onEpochStart?.(context)));
      await this.#options.atBoundary(context);
    }
    if (level.kind === 'batch') throwFailure(await callbacks.call((each) => each.onBatchStart?.(context)));
    // Whoever was told of the beginning may have had it ended.
    this.#throwIfEnding({ orEpoch: level.kind !== 'run' });
  }

  #tellEnd(level: Level, end: LevelEnd): Promise<HookResult> {
    const context = { ...this.contextOf(level), end };
    const { callbacks } = this.#options;
    if (level.kind === 'run') return callbacks.call((each) => each.onRunEnd?.(context));
    if (end.status === 'failed' || end.status === 'cancelled') return Promise.resolve({ hasFailed: false });
    if (level.kind === 'epoch') return callbacks.call((each) => each.onEpochEnd?.(context));
    return callbacks.call((each) => each.onBatchEnd?.(context));
  }

  /** What is still open inside of a level ends with it. That is the program's fault, unless it was torn out of it. */
  async #closeLeft(level: Level, end: LevelEnd): Promise<HookResult[]> {
    if (!this.#open.includes(level)) throw new LifecycleMisuse(`${nameOf(level)} is not open.`);
    const results: HookResult[] = [];
    for (let inner = this.current; inner !== undefined && inner !== level; inner = this.current) {
      if (end.status !== 'completed') {
        results.push(await this.#close(inner, end));
        continue;
      }
      const reason = `${nameOf(inner)} was not ended; it ends with ${nameOf(level)}`;
      this.#options.warn(`${reason}.`);
      results.push(await this.#close(inner, { status: 'failed', endedAtMs: end.endedAtMs, reason }));
    }
    return results;
  }

  async #close(level: Level, end: LevelEnd): Promise<HookResult> {
    this.#open.pop();
    const { trackers, scopes } = this.#options;
    if (level.kind !== 'batch' || this.#batches % this.#options.recordBatchesEvery === 0) {
      const entries = [...scopes[level.kind].entries()];
      trackers.track(entries.map(([name, value]) => recordOf(level, name, value, this.#options.now())));
    }
    trackers.end(level, end);
    const result = await this.#tellEnd(level, end);
    scopes[level.kind].close();
    if (result.stoppedBy !== undefined) this.stop(`the callback "${result.stoppedBy}" said so`);
    return result;
  }

  /** Whether the program is not to go on behind this level. */
  #isEnding(level: Level): boolean {
    if (this.#stopReason !== undefined || this.#options.signal.aborted) return true;
    return level.kind === 'batch' && this.#epochStopReason !== undefined;
  }

  #throwIfEnding({ orEpoch = false }: { readonly orEpoch?: boolean } = {}): void {
    this.#throwIfCancelled();
    if (this.#stopReason !== undefined) throw new RunStopped(this.#stopReason);
    if (orEpoch && this.#epochStopReason !== undefined) throw new EpochStopped(this.#epochStopReason);
  }

  #throwIfCancelled(): void {
    if (this.#options.signal.aborted) throw cancelledBy(this.#options.signal);
  }
}

const OUTER = { run: undefined, epoch: 'run', batch: 'epoch' } as const;

function cancelledBy({ reason }: AbortSignal): RunCancelled {
  const why = reason instanceof Error ? reason.message : String(reason);
  return new RunCancelled(why, { cause: reason });
}

function throwFailure({ hasFailed, error }: HookResult): void {
  if (hasFailed) throw error;
}

function nameOf({ kind, index }: Level): string {
  return kind === 'run' ? 'the run' : `${kind} ${index}`;
}
