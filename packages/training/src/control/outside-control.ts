import { setTimeout as delay } from 'node:timers/promises';
import type { ControlWord, ParamUpdate } from '@trainyard/protocol';
import type { CallbackContext } from '../callbacks/callback.ts';
import type { CallbackList } from '../callbacks/callback-list.ts';
import type { ControlFiles } from './control-files.ts';

/** Params by which people outside ask for something else than a value. */
const SAVE = 'trainyard.save';
const STOP = 'trainyard.stop';
/** From one look at the files to the next, while the program runs and while it is paused. */
const LOOK_MS = 20;

export interface OutsideControlOptions {
  readonly files: ControlFiles;
  readonly callbacks: CallbackList;
  readonly signal: AbortSignal;
  /** Takes a changed param over. @throws when the program does not want it; the message is the reason */
  readonly change: (name: string, value: unknown) => unknown;
  /** Ends the run so that another attempt can go on from what was saved. */
  readonly release: () => void;
  readonly warn: (message: string) => void;
}

/**
 * What people outside want of a program, looked at where it can do it: between two batches or epochs. It pauses, saves
 * a checkpoint, stops, gives its place back, and takes over other params. What has become of each is answered.
 */
export class OutsideControl {
  readonly #options: OutsideControlOptions;
  readonly #verdicts = new Map<string, { readonly value: string; readonly refusal: string | undefined }>();
  #lookedAtMs = 0;
  #revision = 0;

  /** Also says that it looks. */
  constructor(options: OutsideControlOptions) {
    this.#options = options;
    this.#try(() => options.files.answer({ word: 'run' }));
  }

  /** @throws what callbacks throw */
  async atBoundary(context: CallbackContext): Promise<void> {
    const now = performance.now();
    if (now - this.#lookedAtMs < LOOK_MS && this.#lookedAtMs > 0) return;
    this.#lookedAtMs = now;
    const update = this.#options.files.paramUpdate();
    if (update !== undefined && update.revision !== this.#revision) await this.#takeOver(update, context);
    await this.#follow(this.#options.files.word(), context);
  }

  async #follow(word: ControlWord, context: CallbackContext): Promise<void> {
    if (word === 'pause') return this.#pause(context);
    if (word !== 'release') return;
    const checkpoint = await this.#save(context);
    this.#options.release();
    const { step } = context.level;
    this.#try(() =>
      this.#options.files.answer({ word, step, ...(checkpoint !== undefined && { checkpoint }) }),
    );
  }

  async #pause(context: CallbackContext): Promise<void> {
    const { files, callbacks, signal } = this.#options;
    const { step } = context.level;
    const from = performance.now();
    throwFailure(await callbacks.call((each) => each.onPause?.(context)));
    this.#try(() => files.answer({ word: 'pause', step }));
    let word = files.word();
    while (word === 'pause' && !signal.aborted) {
      await delay(LOOK_MS, undefined, { signal }).catch(() => {});
      word = files.word();
    }
    const pausedMs = performance.now() - from;
    if (!signal.aborted) this.#try(() => files.answer({ word: 'run', step }));
    throwFailure(await callbacks.call((each) => each.onResume?.({ ...context, pausedMs })));
    if (word === 'release' && !signal.aborted) await this.#follow(word, context);
  }

  /** The path of the last checkpoint that was saved. @throws what saving throws */
  async #save(context: CallbackContext): Promise<string | undefined> {
    let saved: string | undefined;
    const told = await this.#options.callbacks.call(async (each) => {
      saved = (await each.onSaveRequest?.(context)) ?? saved;
    });
    throwFailure(told);
    return saved;
  }

  async #takeOver({ revision, params }: ParamUpdate, context: CallbackContext): Promise<void> {
    const { files, callbacks } = this.#options;
    const changed: Record<string, unknown> = {};
    const accepted: ParamUpdate['params'] = {};
    const rejected: Record<string, string> = {};
    for (const [name, value] of Object.entries(params)) {
      const text = JSON.stringify(value);
      const before = this.#verdicts.get(name);
      const refusal = before?.value === text ? before.refusal : await this.#judge(name, value, context);
      this.#verdicts.set(name, { value: text, refusal });
      if (refusal !== undefined) rejected[name] = refusal.slice(0, MAX_REASON);
      else accepted[name] = value;
      const isAsked = name === SAVE || name === STOP;
      if (refusal === undefined && before?.value !== text && !isAsked) changed[name] = value;
    }
    this.#revision = revision;
    this.#try(() => files.answerParams({ revision, accepted, rejected, step: context.level.step }));
    if (Object.keys(changed).length > 0)
      throwFailure(await callbacks.call((each) => each.onParamsChanged?.(context, changed)));
  }

  /** Why it is not taken; `undefined` when it is. */
  async #judge(name: string, value: unknown, context: CallbackContext): Promise<string | undefined> {
    try {
      if (name === STOP) {
        context.stop(typeof value === 'string' && value !== '' ? value : 'somebody has stopped it');
        return undefined;
      }
      if (name === SAVE) {
        const saved = await this.#save(context);
        return saved === undefined ? NOTHING_SAVED : undefined;
      }
      await this.#options.change(name, value);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** An answer that cannot be written ends no training. */
  #try(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#options.warn(`Nobody outside can be answered: ${error instanceof Error ? error.message : error}`);
    }
  }
}

const MAX_REASON = 1000;
const NOTHING_SAVED = 'there is nothing to save yet, or the program has no ModelCheckpoint';

function throwFailure({ hasFailed, error }: { readonly hasFailed: boolean; readonly error?: unknown }): void {
  if (hasFailed) throw error;
}
