import type { StopReason } from './events.ts';

/** What a handler is told about its attempt. */
export interface LeafContext {
  /** Such as `sweep/small`. */
  readonly path: string;
  readonly name: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** 1 for a direct child of the root. */
  readonly depth: number;
  /** Of each foreach around the leaf its item, outermost first. */
  readonly items: readonly unknown[];
  /**
   * Aborted on cancel, timeout and deadline; its reason is that word. Made when first read, so a copy by
   * `{ ...context }` has none.
   */
  readonly signal: AbortSignal;
}

/** An attempt that has started. A signal costs more than all the rest of a leaf, so most never have one. */
export class LeafAttempt implements LeafContext {
  readonly path: string;
  readonly name: string;
  readonly attempt: number;
  readonly depth: number;
  readonly items: readonly unknown[];
  readonly #node: number;
  #controller: AbortController | null = null;
  #stopReason: StopReason | null = null;

  constructor(node: number, { path, name, attempt, depth, items }: Omit<LeafContext, 'signal'>) {
    this.#node = node;
    this.path = path;
    this.name = name;
    this.attempt = attempt;
    this.depth = depth;
    this.items = items;
  }

  static nodeOf(attempt: LeafAttempt): number {
    return attempt.#node;
  }

  static isAborted(attempt: LeafAttempt): boolean {
    return attempt.#stopReason !== null;
  }

  static abort(attempt: LeafAttempt, reason: StopReason): void {
    attempt.#stopReason ??= reason;
    attempt.#controller?.abort(attempt.#stopReason);
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#stopReason !== null) this.#controller.abort(this.#stopReason);
    }
    return this.#controller.signal;
  }
}
