import type { Callback } from './callback.ts';

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
