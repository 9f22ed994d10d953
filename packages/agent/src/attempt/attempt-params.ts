import type { ParamAnswer, ParamUpdate } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import { type ControlFileNames, type ControlFiles, localControlFiles } from '../control-files.ts';
import type { RunningAttempt } from '../executor.ts';
import { pause as wait } from '../link/backoff.ts';
import type { AttemptJournal } from './attempt-state.ts';

export interface AttemptParamsOptions {
  readonly attemptId: string;
  readonly files: ControlFileNames;
  readonly journal: AttemptJournal;
  readonly log: AgentLog;
  /** Fires when the agent stops, or the program is being ended or has ended. */
  readonly ended: AbortSignal;
  /** Reports what the program has made of a change. */
  readonly tell: (answer: ParamAnswer) => void;
}

/**
 * Hands changed params to the program of one attempt, by a file, and reports its answer. What was handed over is in
 * the journal, so that the next agent goes on waiting for the answer.
 */
export class AttemptParams {
  readonly #options: AttemptParamsOptions;
  #running: RunningAttempt | undefined;
  #isWaiting = false;

  constructor(options: AttemptParamsOptions) {
    this.#options = options;
  }

  /** The newest change that is known here. */
  get revision(): number {
    return this.#options.journal.state.paramUpdate?.revision ?? 0;
  }

  attach(running: RunningAttempt): void {
    this.#running = running;
    this.#handOver();
  }

  take(update: ParamUpdate): void {
    if (update.revision <= this.revision) return;
    void this.#options.journal.update({ paramUpdate: update });
    this.#handOver();
  }

  #handOver(): void {
    const { journal, files, attemptId, log, ended } = this.#options;
    const running = this.#running;
    if (running === undefined || this.#isWaiting || this.#isAnswered()) return;
    const isHere = running.target === undefined && journal.isOnDisk;
    const control = running.control ?? (isHere ? localControlFiles(files) : undefined);
    // Some attempts have no directory; their programs can only ask the server.
    if (control === undefined) return;
    this.#isWaiting = true;
    this.#untilAnswered(control)
      .catch((error: unknown) => {
        if (!ended.aborted) log.error({ attemptId, error: String(error) }, 'cannot hand over changed params');
      })
      .finally(() => {
        this.#isWaiting = false;
      });
  }

  #isAnswered(): boolean {
    const { paramUpdate, paramsAnswered } = this.#options.journal.state;
    return paramUpdate === null || paramsAnswered >= paramUpdate.revision;
  }

  /** Writes each change, and looks for answers until there is one for the newest. */
  async #untilAnswered(control: ControlFiles): Promise<void> {
    const { journal, ended, tell } = this.#options;
    let written = 0;
    for (let pauseMs = control.pollMs; !this.#isAnswered(); pauseMs = Math.min(pauseMs * 1.2, LAST_LOOK_MS)) {
      const update = journal.state.paramUpdate!;
      if (update.revision > written) {
        await control.writeParams(update, ended);
        written = update.revision;
        pauseMs = control.pollMs;
      }
      await wait(pauseMs, ended).catch(() => undefined);
      // The last look, when it has ended, is of files that are here; a host is not asked any more.
      const answer = await control.paramAnswer(ended).catch(() => undefined);
      if (
        answer !== undefined &&
        answer.revision <= this.revision &&
        answer.revision > journal.state.paramsAnswered
      ) {
        tell(answer);
        await journal.update({ paramsAnswered: answer.revision });
      }
      if (ended.aborted) return;
    }
  }
}

/** Longest pause between two looks. */
const LAST_LOOK_MS = 1000;
