import { type AttemptFiles, type AttemptSpec, PAUSE_LIMITS, type PauseMode } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import { type ControlFiles, localControlFiles } from '../control-files.ts';
import type { RunningAttempt } from '../executor.ts';
import { pause as wait } from '../link/backoff.ts';
import type { AttemptJournal } from './attempt-state.ts';

export interface AttemptPauseOptions {
  readonly spec: AttemptSpec;
  readonly files: AttemptFiles;
  readonly journal: AttemptJournal;
  readonly log: AgentLog;
  /** Fires when the agent stops, or the program is being ended or has ended. */
  readonly ended: AbortSignal;
  /** Reports how it stands. */
  readonly tell: (
    what: { kind: 'paused'; mode: PauseMode; note?: string | undefined } | { kind: 'resumed' },
  ) => void;
}

/**
 * Halts the program of one attempt and lets it go on, as the server asks. What is asked for is in the journal, so
 * that the next agent goes on with it. One change at a time; a newer wish cuts the wait of an older one short.
 */
export class AttemptPause {
  readonly #options: AttemptPauseOptions;
  #running: RunningAttempt | undefined;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: AttemptPauseOptions) {
    this.#options = options;
  }

  /** How it is asked to halt; empty while it is to run. */
  get asked(): { readonly pausing?: PauseMode } {
    const { pausing } = this.#options.journal.state;
    return pausing === null ? {} : { pausing };
  }

  /** The program is there. What was asked for before, also of an earlier agent, is done now. */
  attach(running: RunningAttempt): void {
    this.#running = running;
    const { pausedAs } = this.#options.journal.state;
    // An earlier agent may not have come to report it.
    if (pausedAs !== null) this.#options.tell({ kind: 'paused', mode: pausedAs });
    this.#next();
  }

  /** `null`: it is to go on. */
  ask(mode: PauseMode | null): void {
    const { journal } = this.#options;
    if (journal.state.pausing === mode) return;
    void journal.update({ pausing: mode });
    this.#next();
  }

  /** Resolves when what was begun is done: nothing is frozen behind the back of who ends the program. */
  settled(): Promise<void> {
    return this.#turn;
  }

  #next(): void {
    this.#turn = this.#turn
      .then(() => this.#apply())
      .catch((error: unknown) => {
        const { log, spec, ended } = this.#options;
        if (!ended.aborted)
          log.error({ attemptId: spec.attemptId, error: String(error) }, 'cannot pause a job');
      });
  }

  async #apply(): Promise<void> {
    const running = this.#running;
    const { journal, ended } = this.#options;
    const { pausing, pausedAs } = journal.state;
    if (running === undefined || ended.aborted) return;
    if (pausing === null) {
      await this.#goOn(running);
    } else if (pausedAs === null) {
      await this.#halt(running, pausing);
    }
  }

  async #goOn(running: RunningAttempt): Promise<void> {
    const { journal, ended } = this.#options;
    const { pausedAs } = journal.state;
    // Before it goes on: one that was frozen is not to find the word of the pause.
    await this.#controlOf(running)?.write('run', ended);
    if (pausedAs === null) return;
    if (pausedAs === 'freeze') await running.freeze?.(false);
    await journal.update({ pausedAs: null });
    this.#options.tell({ kind: 'resumed' });
  }

  /** Some attempts have no directory. */
  #controlOf(running: RunningAttempt): ControlFiles | undefined {
    if (running.control !== undefined || running.target !== undefined) return running.control;
    return this.#options.journal.isOnDisk ? localControlFiles(this.#options.files) : undefined;
  }

  async #halt(running: RunningAttempt, mode: PauseMode): Promise<void> {
    if (mode === 'freeze') return this.#freeze(running, undefined);
    const { ended } = this.#options;
    const control = this.#controlOf(running);
    if (control === undefined || (await control.answer(ended)) === undefined) {
      return this.#freeze(running, mode === 'auto' ? undefined : DOES_NOT_LOOK);
    }
    if (mode === 'release') return this.#release(running, control);
    await control.write('pause', ended);
    const patienceMs = mode === 'auto' ? PAUSE_LIMITS.autoPatienceMs : PAUSE_LIMITS.cooperativePatienceMs;
    const answer = await this.#answered(control, 'pause', mode, patienceMs);
    if (answer === 'yes') await this.#paused('cooperative', undefined);
    if (answer === 'late') await this.#freeze(running, `${LATE} ${patienceMs} ms`);
  }

  async #release(running: RunningAttempt, control: ControlFiles): Promise<void> {
    const { journal, log, spec, ended } = this.#options;
    await control.write('release', ended);
    // It has its grace time for the step that it is in, the checkpoint and its end.
    const answer = await this.#answered(control, 'release', 'release', spec.graceMs, () => !running.alive());
    if (answer !== 'late' || ended.aborted) return;
    log.warn({ attemptId: spec.attemptId }, 'a job did not give its slot back in time: ending it');
    await journal.update({ releaseKilled: true });
    await running.cancel({ graceMs: 0 });
  }

  /** Polls for the program's answer; `changed` when something else was asked for meanwhile, or it has ended. */
  async #answered(
    control: ControlFiles,
    word: 'pause' | 'release',
    mode: PauseMode,
    patienceMs: number,
    isOver: () => boolean = () => false,
  ): Promise<'yes' | 'late' | 'changed'> {
    const { journal, ended } = this.#options;
    const deadline = performance.now() + patienceMs;
    for (;;) {
      if (ended.aborted || journal.state.pausing !== mode || isOver()) return 'changed';
      const isYes = word === 'pause' && (await control.answer(ended))?.word === word;
      if (isYes) return 'yes';
      if (performance.now() >= deadline) return 'late';
      await wait(control.pollMs, ended).catch(() => undefined);
    }
  }

  async #freeze(running: RunningAttempt, note: string | undefined): Promise<void> {
    const { ended, log, spec } = this.#options;
    if (running.freeze === undefined) {
      log.warn({ attemptId: spec.attemptId, executor: spec.executor }, 'its executor cannot freeze a job');
      return;
    }
    await running.freeze(true);
    if (ended.aborted) await running.freeze(false);
    else await this.#paused('freeze', note);
  }

  async #paused(pausedAs: 'cooperative' | 'freeze', note: string | undefined): Promise<void> {
    await this.#options.journal.update({ pausedAs });
    this.#options.tell({ kind: 'paused', mode: pausedAs, note });
  }
}

const DOES_NOT_LOOK = 'the program does not look at its control file, so it was frozen and keeps its slot';
const LATE = 'the program did not come to a step within';
