import type { NodeError, Outcome, PlannerEvent, StopReason } from './events.ts';
import { outcomes } from './events.ts';
import type { PlanNode } from './plan.ts';

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
  /** Aborted on cancel, timeout and deadline; its reason is that word. */
  readonly signal: AbortSignal;
}

/**
 * Does the work of a leaf. Whatever it returns means completed, except an object whose `outcome` is one of
 * `outcomes` (with `error`, if any); whatever it throws means failed.
 */
export type LeafHandler = (context: LeafContext) => unknown;

type LeafEvent = Extract<PlannerEvent, { type: 'leaf_started' | 'leaf_finished' }>;

interface Waiting {
  readonly node: number;
  readonly attempt: number;
}

/** What the pool needs of the run that it works for. */
export interface PoolRun {
  readonly nodeAt: (index: number) => PlanNode;
  readonly itemsOf: (index: number) => readonly unknown[];
  readonly send: (event: LeafEvent) => void;
}

/** Runs at most `slots` handlers at once, first come, first served. */
export class LeafPool {
  readonly #nodeAt: (index: number) => PlanNode;
  readonly #itemsOf: (index: number) => readonly unknown[];
  readonly #handler: LeafHandler;
  readonly #send: (event: LeafEvent) => void;
  /** In order of arrival, by node. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #running = new Map<number, AbortController>();
  readonly #slots: number;
  #isClosed = false;

  constructor(run: PoolRun, handler: LeafHandler, slots: number) {
    if (!(slots >= 1)) throw new RangeError(`concurrency is ${slots}; it must be at least 1`);
    this.#nodeAt = run.nodeAt;
    this.#itemsOf = run.itemsOf;
    this.#handler = handler;
    this.#slots = slots;
    this.#send = run.send;
  }

  add(node: number, attempt: number): void {
    this.#waiting.set(node, { node, attempt });
    this.#fill();
  }

  cancel(node: number, reason: StopReason): void {
    const waiting = this.#waiting.get(node);
    if (waiting === undefined) {
      this.#running.get(node)?.abort(reason);
      return;
    }
    this.#waiting.delete(node);
    this.#send({ type: 'leaf_finished', node, attempt: waiting.attempt, outcome: 'cancelled' });
  }

  /** Starts nothing more and tells everything that runs to end; nobody waits for it. */
  close(): void {
    this.#isClosed = true;
    for (const controller of this.#running.values()) controller.abort('cancel');
  }

  #fill(): void {
    if (this.#isClosed) return;
    for (const waiting of this.#waiting.values()) {
      if (this.#running.size >= this.#slots) return;
      this.#waiting.delete(waiting.node);
      void this.#run(waiting);
    }
  }

  async #run({ node, attempt }: Waiting): Promise<void> {
    const controller = new AbortController();
    this.#running.set(node, controller);
    this.#send({ type: 'leaf_started', node, attempt });
    const { path, name, depth } = this.#nodeAt(node);
    const items = this.#itemsOf(node);
    const ended = await this.#attempt({ path, name, attempt, depth, items, signal: controller.signal });
    this.#running.delete(node);
    if (this.#isClosed) return;
    this.#send({ type: 'leaf_finished', node, attempt, ...ended });
    this.#fill();
  }

  async #attempt(context: LeafContext): Promise<{ outcome: Outcome; error?: NodeError }> {
    try {
      // Never in the same turn as the decision that starts it.
      await Promise.resolve();
      return reported(await this.#handler(context));
    } catch (thrown) {
      return context.signal.aborted
        ? { outcome: 'cancelled' }
        : { outcome: 'failed', error: errorOf(thrown) };
    }
  }
}

function reported(value: unknown): { outcome: Outcome; error?: NodeError } {
  if (typeof value !== 'object' || value === null || !('outcome' in value)) return { outcome: 'completed' };
  const outcome = outcomes.find((known) => known === value.outcome);
  if (outcome === undefined) {
    const message = `the handler returned the unknown outcome ${JSON.stringify(value.outcome)}; use one of ${outcomes.join(', ')}`;
    return { outcome: 'failed', error: { code: 'unknown_outcome', message } };
  }
  const hasError = 'error' in value && value.error !== undefined && value.error !== null;
  return hasError ? { outcome, error: errorOf(value.error) } : { outcome };
}

/** Whatever was thrown, as the error of a node. */
export function errorOf(thrown: unknown): NodeError {
  if (typeof thrown !== 'object' || thrown === null) return { code: 'error', message: String(thrown) };
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : 'error';
  const message = 'message' in thrown ? String(thrown.message) : JSON.stringify(thrown);
  return { code, message };
}
