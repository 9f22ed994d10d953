import { dirname } from 'node:path';
import type { AttemptSpec, HeldAttempt, ParamUpdate, PauseMode, Report, RunError } from '@trainyard/protocol';
import { AttemptCacheCheck } from '../cache/attempt-cache.ts';
import { type ExitResult, type RunningAttempt, StartError } from '../executor.ts';
import { isOver } from '../link/report-queue.ts';
import { unreachableFor } from '../link/unreachable-for.ts';
import { localProgramFiles } from '../local/local-program-files.ts';
import type { Reservation } from '../slots.ts';
import { followProgram } from '../telemetry/follow-program.ts';
import { AttemptParams } from './attempt-params.ts';
import { AttemptPause } from './attempt-pause.ts';
import type { AttemptRunnerOptions } from './attempt-runner-options.ts';
import { type EndReason, isToEnd, NO_REASON, OVER } from './attempt-state.ts';
import { AttemptStreams } from './attempt-streams.ts';
import { composeFinish, type FinishReport } from './finish-report.ts';
import { endLeft } from './left-processes.ts';
import { noteLeaseEnd } from './note-lease-end.ts';
import { sendFinish } from './send-finish.ts';
import { noteStartError, startProgram } from './start-program.ts';

/** One attempt that the agent holds, from the claim to the acknowledged report. */
export class AttemptRunner {
  readonly #options: AttemptRunnerOptions;
  #streams: AttemptStreams | undefined;
  #cleanupError: string | undefined;
  /** Fires when the program must not be started any more, or was started and is to be ended. */
  readonly #ending = new AbortController();
  /** Fires when the program has ended by itself or was ended. */
  readonly #gone = new AbortController();
  readonly #unwanted: AbortSignal;
  #running: RunningAttempt | undefined;
  #reservation: Reservation | undefined;
  #killing: Promise<unknown> | undefined;
  readonly #pause: AttemptPause;
  readonly #params: AttemptParams;
  readonly #cache: AttemptCacheCheck;
  #programEnded = false;
  /** The server has asked for it, also when there was nothing left to cancel. */
  #cancelSeen = false;
  #discarded = false;
  #startError: RunError | null;

  constructor(options: AttemptRunnerOptions) {
    this.#options = options;
    this.#startError = options.journal.state.startError;
    this.#unwanted = AbortSignal.any([options.stopped, this.#ending.signal]);
    this.#params = new AttemptParams({
      ...options,
      attemptId: options.spec.attemptId,
      ended: AbortSignal.any([this.#unwanted, this.#gone.signal]),
      tell: (answer) => this.#send({ kind: 'params', ...this.#reportBase(), answer }),
    });
    this.#pause = new AttemptPause({
      ...options,
      ended: this.#unwanted,
      tell: (what) => this.#send({ ...what, ...this.#reportBase(), at: Date.now() }),
    });
    this.#cache = new AttemptCacheCheck({ ...options, openLog: () => this.#follow() });
    // Before any new work is asked for: the program is there, whatever the number of slots is now.
    if (options.adopted !== undefined) {
      this.#reservation = options.slots.occupy(options.lane, options.journal.state.gpuIds);
    }
  }

  get spec(): AttemptSpec {
    return this.#options.spec;
  }

  /** Pid of the program while it runs. */
  get pid(): number | undefined {
    return this.#programEnded ? undefined : this.#running?.pid;
  }

  get isPaused(): boolean {
    return this.#options.journal.state.pausedAs !== null;
  }

  /** Nothing of it is at work here any more; its end may still have to be reported. */
  get hasEnded(): boolean {
    return this.#programEnded;
  }

  held(): HeldAttempt {
    const { attemptId, epoch } = this.#options.spec;
    const cancelling = this.#cancelSeen || this.#options.journal.state.cancelRequested;
    const paramsRevision = this.#params.revision;
    const asked = { ...this.#pause.asked, paramsRevision };
    return { attemptId, epoch, cancelling, ...asked, ...unreachableFor(this.#running) };
  }

  /** Resolves when it is reported or discarded. @throws the reason when the agent is stopped first */
  async run(): Promise<void> {
    const { journal, stopped } = this.#options;
    try {
      const exit = await this.#runProgram();
      stopped.throwIfAborted();
      if (!this.#discarded) await this.#report(exit);
      await journal.update({ phase: this.#discarded ? 'discarded' : 'reported' });
    } finally {
      if (!stopped.aborted) this.#release();
    }
  }

  /** Ends the program with its grace time and reports it as cancelled. Repeats do nothing. */
  cancel(): void {
    const { journal, spec, log } = this.#options;
    this.#cancelSeen = true;
    if (journal.state.cancelRequested || this.#programEnded) return;
    log.info({ attemptId: spec.attemptId }, 'cancelling');
    this.#end({ cancelRequested: true }, spec.graceMs);
  }

  /** Halts the program, or (null) lets it go on. Repeats do nothing. */
  pause(mode: PauseMode | null): void {
    if (!this.#programEnded) this.#pause.ask(mode);
  }

  /** Tells the program of changed params. Repeats do nothing. */
  updateParams(update: ParamUpdate | undefined): void {
    if (update !== undefined && !this.#programEnded) this.#params.take(update);
  }

  /** The server could not be reached for so long that it may give the work to another agent. */
  endForPartition(graceMs: number): void {
    const { journal, spec, log } = this.#options;
    if (journal.state.partitioned || this.#programEnded) return;
    log.warn({ attemptId: spec.attemptId }, 'lease lost while the server is away: ending the program');
    this.#end({ partitioned: true }, graceMs);
  }

  /** The agent has to leave its machine: another one is to take the work. */
  preempt(): void {
    const { journal, spec } = this.#options;
    if (!journal.state.preempted && !this.#programEnded) this.#end({ preempted: true }, spec.graceMs);
  }

  /** The attempt is over for the server: ends the program at once and reports nothing. */
  discard(): void {
    if (this.#discarded) return;
    this.#discarded = true;
    const { spec, log } = this.#options;
    log.info({ attemptId: spec.attemptId }, 'discarded by the server');
    this.#streams?.abandon();
    if (!this.#programEnded) this.#end({}, 0);
  }

  /** `change`: why it is ended, for the journal. */
  #end(change: EndReason, graceMs: number): void {
    const { journal, log, spec } = this.#options;
    const running = this.#running;
    const before = this.#killing;
    this.#killing = (async () => {
      // On disk before the signal, so that a crash in between does not forget why the program ended.
      await journal.update(change);
      this.#ending.abort(OVER);
      if (graceMs > 0) await before;
      // Not while it is being frozen: it would stand still again behind the signal.
      await this.#pause.settled();
      // Without a program yet, whoever starts it sees the change and ends it.
      const endedItself = (await running?.cancel({ graceMs })) === false;
      if (endedItself && before === undefined) await journal.update(NO_REASON);
    })().catch((error: unknown) =>
      log.error({ attemptId: spec.attemptId, error: String(error) }, 'cannot end a job'),
    );
  }

  /** Starts or adopts the program, follows it to its end and frees the slot. */
  async #runProgram(): Promise<ExitResult | undefined> {
    const { executor, stopped } = this.#options;
    let exit: ExitResult | undefined;
    try {
      this.#running = await this.#obtain().finally(() => this.#options.group?.settle(this.spec.attemptId));
    } catch (error) {
      stopped.throwIfAborted();
      if (!this.#ending.signal.aborted) this.#startError = await noteStartError(error, this.#options);
    }
    if (this.#running !== undefined) {
      this.#resumeEnding(this.#running);
      this.#reportStarted(this.#running);
      this.#pause.attach(this.#running);
      this.#params.attach(this.#running);
      if (executor?.usesAttemptDir === true) this.#follow(this.#running);
      const unfollow = followProgram(this.#running, this.#options);
      exit = await this.#running.waitForExit(stopped).finally(unfollow);
      await noteLeaseEnd(this.#options);
      // A cancel gives the whole session its grace time; sweeping before that would cut it short.
      await this.#killing;
      const ended = { ...this.#options, attemptId: this.spec.attemptId, running: this.#running };
      const { error, isKept } = await endLeft(ended, this.#reservation);
      this.#cleanupError = error;
      if (isKept) this.#reservation = undefined;
    }
    this.#programEnded = true;
    this.#gone.abort(OVER);
    this.#release();
    return exit;
  }

  /**
   * The program, taken over or started; undefined when the result of another run is used.
   * @throws StartError, or when it must not be started any more
   */
  async #obtain(): Promise<RunningAttempt | undefined> {
    const { executor, spec, journal, slots, lane, adopted } = this.#options;
    const { state } = journal;
    if (state.startError !== null) throw new StartError(state.startError.code, state.startError.message);
    if (executor === undefined) {
      throw new StartError('unknown_executor', `this agent has no executor "${spec.executor}"`);
    }
    if (adopted !== undefined) return adopted;
    if (spec.gpus > this.#options.gpus) {
      throw new StartError(
        'gpus_unavailable',
        `the job needs ${spec.gpus} GPUs; this agent has ${this.#options.gpus}`,
      );
    }
    this.#refuseWhenEnding();
    const signal = this.#unwanted;
    this.#reservation = await slots.reserve(lane, spec.gpus, signal);
    if (await this.#cache.find(signal)) return undefined;
    return startProgram({ ...this.#options, executor, gpuIds: this.#reservation.gpuIds, signal });
  }

  #refuseWhenEnding(): void {
    const { state } = this.#options.journal;
    if (this.#discarded || isToEnd(state)) this.#ending.abort(OVER);
    this.#ending.signal.throwIfAborted();
  }

  /** What was asked for while the program was being started, or of the agent before this one. */
  #resumeEnding(running: RunningAttempt): void {
    const { state } = this.#options.journal;
    if (this.#discarded) this.#end({}, 0);
    else if (isToEnd(state)) this.#killing = running.cancel({ graceMs: this.spec.graceMs });
  }

  #follow(running?: RunningAttempt): void {
    this.#streams ??= new AttemptStreams({
      ...this.#options,
      openFile: running?.openFile?.bind(running),
      onFenced: () => this.discard(),
      onStalled: (stalled) => this.#end({ stalled }, this.spec.graceMs),
      onProgress: (progress) => this.#send({ kind: 'progress', ...this.#reportBase(), progress }),
    });
    if (this.#discarded) this.#streams.abandon();
  }

  #reportStarted(running: RunningAttempt): void {
    const { pid, target } = running;
    const at = this.#options.journal.state.startedAtMs ?? Date.now();
    const known = { ...(pid !== undefined && { pid }), ...(target !== undefined && { target }) };
    this.#send({ kind: 'started', ...this.#reportBase(), at, ...known });
  }

  #reportBase(): Pick<Report, 'attemptId' | 'epoch' | 'token'> {
    const { spec, journal } = this.#options;
    return { attemptId: spec.attemptId, epoch: spec.epoch, token: journal.token };
  }

  #send(report: Report): void {
    this.#options.reports
      .send(report)
      .then((answer) => {
        if (!answer.ok && isOver(answer.code)) this.discard();
      })
      .catch(() => undefined);
  }

  async #report(exit: ExitResult | undefined): Promise<void> {
    await this.#streams?.finish();
    if (this.#discarded) return;
    const report = await this.#cache.endOf(() => this.#endOf(exit), this.#options.stopped);
    if (!(await sendFinish(report, this.#options))) this.#discarded = true;
  }

  #endOf(exit: ExitResult | undefined): Promise<FinishReport> {
    const { spec, stopped, executor, files } = this.#options;
    return composeFinish({
      ...this.#options,
      files: executor?.usesAttemptDir === true ? files : undefined,
      named: this.#running?.programFiles ?? localProgramFiles(spec.workingDir, dirname(files.dir)),
      exit,
      startError: this.#startError,
      cleanupError: this.#cleanupError ?? this.#streams?.fault,
      undeliveredBytes: this.#streams?.undeliveredBytes ?? {},
      pattern: this.#streams?.pattern,
      ranOutOfMemory: this.#running?.ranOutOfMemory?.(),
      signal: stopped,
    });
  }

  #release(): void {
    this.#reservation?.release();
    this.#reservation = undefined;
  }
}
