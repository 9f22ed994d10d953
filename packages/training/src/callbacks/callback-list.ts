import type { Callback } from './callback.ts';
import type { Checkpoint } from './checkpoint-directory.ts';

/** What came of a hook. */
export interface HookResult {
  /** Name of the first callback that wants the run to end. */
  readonly stoppedBy?: string;
  /** The first error that one of them threw. */
  readonly error?: unknown;
  readonly hasFailed: boolean;
}

/** Callbacks in the order in which they are called: as given, those that are to be last behind the others. */
export class CallbackList {
  readonly #callbacks: readonly Callback[];

  /** @throws Error when two have the same name */
  constructor(callbacks: readonly Callback[]) {
    this.#callbacks = [
      ...callbacks.filter(({ isLast }) => isLast !== true),
      ...callbacks.filter(({ isLast }) => isLast === true),
    ];
    const names = callbacks.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw new Error(`Two callbacks are called "${twice}"; give one another name.`);
  }

  /** What each that has something to go on from goes on from. */
  async states(): Promise<Record<string, unknown>> {
    const states: Record<string, unknown> = {};
    for (const callback of this.#callbacks)
      if (callback.state !== undefined) states[callback.name] = await callback.state();
    return states;
  }

  /** Gives each what it had, and warns of what has no callback any more, and of what starts from nothing. */
  restore(from: Checkpoint, warn: (message: string) => void): Promise<HookResult> {
    const names = new Set(this.#callbacks.map(({ name }) => name));
    for (const name of Object.keys(from.callbacks)) {
      if (!names.has(name))
        warn(`The checkpoint ${from.path} has a state of the callback "${name}", which this run lacks.`);
    }
    return this.call((callback) => {
      if (callback.restore === undefined) return undefined;
      if (Object.hasOwn(from.callbacks, callback.name))
        return callback.restore(from.callbacks[callback.name], from);
      warn(`The checkpoint ${from.path} has no state of the callback "${callback.name}"; it begins anew.`);
      return undefined;
    });
  }

  /** Calls a hook of each, one after the other, also behind one that throws or wants to stop. */
  async call(hook: (callback: Callback) => unknown): Promise<HookResult> {
    let stoppedBy: string | undefined;
    let failure: { readonly error: unknown } | undefined;
    for (const callback of this.#callbacks) {
      try {
        if ((await hook(callback)) === false) stoppedBy ??= callback.name;
      } catch (error) {
        failure ??= { error };
      }
    }
    return {
      hasFailed: failure !== undefined,
      ...(stoppedBy !== undefined && { stoppedBy }),
      ...(failure !== undefined && { error: failure.error }),
    };
  }
}
