import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import type { Dag } from './definition.ts';
import type { Effect, NodeError, PlannerEvent } from './events.ts';
import type { Fault } from './fault.ts';
import { Answers } from './in-process-answers.ts';
import { LeafAttempt } from './leaf-attempt.ts';
import type { LeafHandler } from './leaf-pool.ts';
import { LeafPool } from './leaf-pool.ts';
import { LeafQueue } from './leaf-queue.ts';
import { LeafSet } from './leaf-set.ts';
import { MutableDraft } from './mutable-draft.ts';
import type { TerminalStatus } from './node-status.ts';
import { isTerminal } from './node-status.ts';
import type { Plan } from './plan.ts';
import { isTimed } from './plan-columns.ts';
import type { RunResult } from './run-result.ts';
import { resultOf } from './run-result.ts';
import { takeEvent } from './take-event.ts';
import type { ValidateOptions } from './validate.ts';
import { validate } from './validate.ts';

/** The limits of `validate` and the seed for the jitter of retries (default: the same in every run), and: */
export interface RunDagOptions extends ValidateOptions {
  /**
   * Leaves that run at once in the whole tree (default: no limit beside each `maxParallel`). Those that wait for
   * their turn have it in the order in which they were handed out.
   */
  readonly concurrency?: number;
  readonly clock?: Clock;
  readonly onEvent?: (event: RunEvent) => void;
  /** Aborting it cancels the whole run. */
  readonly signal?: AbortSignal;
}

/** What happened to a node, in order: ready, start, (retry, start)..., end; or skipped alone. */
export type RunEvent = { readonly path: string; readonly at: number } & (
  | { readonly type: 'ready' }
  | { readonly type: 'start'; readonly attempt: number; readonly depth: number }
  | { readonly type: 'retry'; readonly attempt: number; readonly error: NodeError | null }
  | { readonly type: 'end'; readonly status: TerminalStatus; readonly error: NodeError | null }
  | { readonly type: 'skipped'; readonly reason: string; readonly upstream: string | null }
);

/** A definition was refused; `faults` lists everything that is wrong with it. */
export class InvalidDagError extends Error {
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super(faults.map(({ message }) => message).join('; '));
    this.name = 'InvalidDagError';
    this.faults = faults;
  }
}

/**
 * Runs a DAG in this process: `handler` is called for each attempt of each leaf. Resolves when everything has
 * ended, whatever the status; a handler that ignores its signal is waited for. Rejects with `InvalidDagError`
 * before anything starts, and with what `onEvent` throws. Only running leaves count against `concurrency`, so 1 is enough at any depth.
 */
export async function runDag(
  dag: Dag,
  handler: LeafHandler,
  options: RunDagOptions = {},
): Promise<RunResult> {
  const validation = validate(dag, options);
  if (!validation.ok) throw new InvalidDagError(validation.faults);
  return new Run(dag, validation.plan, handler, options).done;
}

class Run {
  readonly done: Promise<RunResult>;
  readonly #draft: MutableDraft;
  readonly #clock: Clock;
  /** Nothing in it has a time limit or waits for a time, and nobody is told when anything happens. */
  readonly #isTimeless: boolean;
  readonly #onEvent: ((event: RunEvent) => void) | undefined;
  readonly #pool: LeafPool;
  readonly #answers: Answers | null;
  readonly #inbox: PlannerEvent[] = [];
  /** By node: an attempt has at most one timer at a time, and so has a group. */
  readonly #timers = new Map<number, () => void>();
  readonly #resolve: (result: RunResult) => void;
  readonly #reject: (error: unknown) => void;
  #isDeciding = false;
  /** Given up. */
  #isOver = false;

  constructor(dag: Dag, plan: Plan, handler: LeafHandler, options: RunDagOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
    this.done = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#clock = options.clock ?? systemClock;
    this.#onEvent = options.onEvent;
    this.#isTimeless = options.onEvent === undefined && !isTimed(plan.columns);
    const { concurrency = Number.POSITIVE_INFINITY } = options;
    this.#pool = new LeafPool(
      {
        prepare: (leaves) => this.#draft.readAhead(leaves),
        begin: (node, isSameInstant) => this.#begin(node, isSameInstant),
        end: (node, attempt, outcome, error) =>
          this.#send({ type: 'leaf_finished', node, attempt, outcome, ...(error && { error }) }),
      },
      handler,
      concurrency,
      // Where leaves wait for slots, the first one to wait is the first one to start, and so is what came first by
      // priority. Otherwise all start at once, and those that are near to each other in memory may follow each other.
      concurrency < plan.columns.size || plan.columns.extras !== null
        ? new LeafQueue()
        : new LeafSet(plan.columns.size),
    );
    const handOut = (node: number): void => this.#pool.add(node);
    this.#draft = new MutableDraft(plan, options.onEvent === undefined ? handOut : null);
    const asking = { draft: this.#draft, send: (event: PlannerEvent): void => this.#send(event) };
    this.#answers = plan.columns.extras === null ? null : new Answers(dag, asking);
    this.#followSignal(options.signal);
    this.#send({ type: 'start' });
  }

  #followSignal(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const onAbort = (): void => this.#send({ type: 'cancel', node: 0, reason: reasonOf(signal) });
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const unfollow = (): void => signal.removeEventListener('abort', onAbort);
    this.done.then(unfollow, unfollow);
  }

  /** Effects may send further events at once; those wait until the effects before them are carried out. */
  #send(event: PlannerEvent, isSameInstant = false): void {
    if (this.#isOver) return;
    if (this.#isDeciding) {
      this.#inbox.push(event);
      return;
    }
    this.#isDeciding = true;
    try {
      this.#decide(event, isSameInstant);
      const inbox = this.#inbox;
      for (let at = 0; at < inbox.length; at++) this.#decide(inbox[at]!);
      if (inbox.length > 0) inbox.length = 0;
    } catch (error) {
      this.#giveUp(error);
    } finally {
      this.#isDeciding = false;
    }
  }

  /** Only a throwing `onEvent` leads here. */
  #giveUp(error: unknown): void {
    this.#isOver = true;
    for (const withdraw of this.#timers.values()) withdraw();
    this.#pool.close();
    this.#answers?.close();
    this.#reject(error);
  }

  #decide(event: PlannerEvent, isSameInstant = false): void {
    const { effects, questions, expansions } = this.#draft;
    if (event.type === 'leaf_started') this.#announceStart(event.node, event.attempt);
    // Reading the clock is a good part of what a leaf costs.
    if (!isSameInstant && !this.#isTimeless) this.#draft.now = this.#clock.now();
    takeEvent(this.#draft, event);
    if (effects.length > 0) for (const effect of effects.splice(0)) this.#carryOut(effect);
    if (questions.length > 0) {
      for (const question of questions.splice(0)) void this.#answers?.answer(question);
    }
    if (expansions.length > 0) expansions.length = 0;
  }

  #begin(node: number, isSameInstant: boolean): LeafAttempt | null {
    const draft = this.#draft;
    // One that was cancelled while it waited for its turn.
    if (draft.statusOf(node) !== 'active') return null;
    const attempt = draft.attemptOf(node);
    // Nothing else follows from a start.
    if (this.#isTimeless) draft.noteStart(node);
    else this.#send({ type: 'leaf_started', node, attempt }, isSameInstant);
    if (this.#isOver) return null;
    const path = draft.pathOf(node);
    return new LeafAttempt(node, {
      path,
      name: draft.nameOf(node),
      attempt,
      depth: draft.depthOf(node),
      items: this.#answers?.itemsOf(node) ?? none,
    });
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'node_ready':
        this.#onEvent?.({ type: 'ready', path: this.#draft.pathOf(effect.node), at: this.#clock.now() });
        break;
      case 'start_leaf':
        this.#pool.add(effect.node);
        break;
      case 'cancel_leaf':
        this.#pool.cancel(effect.node, effect.attempt, effect.reason);
        break;
      case 'set_timer': {
        const { node, kind, at, attempt } = effect;
        const event: PlannerEvent = { type: 'timer', node, kind, ...(attempt !== undefined && { attempt }) };
        this.#timers.get(node)?.();
        this.#timers.set(
          node,
          this.#clock.setTimer(at, () => this.#send(event)),
        );
        break;
      }
      case 'node_status':
        this.#onStatus(effect);
        break;
      case 'pause_node':
      case 'resume_node':
        // Nobody can pause a run in this process.
        break;
      case 'finished':
        this.#resolve(resultOf(this.#draft, effect.status, effect.error ?? null));
        break;
    }
  }

  #onStatus({ node, status, reason, error, upstream }: Extract<Effect, { type: 'node_status' }>): void {
    if (isTerminal(status)) {
      this.#timers.get(node)?.();
      this.#timers.delete(node);
    }
    if (this.#onEvent === undefined) return;
    const place = { path: this.#draft.pathOf(node), at: this.#clock.now() };
    if (status === 'active' && this.#draft.isGroup(node)) this.#announceStart(node, 1);
    else if (status === 'waiting_retry') {
      const attempt = this.#draft.attemptOf(node);
      this.#onEvent({ ...place, type: 'retry', attempt, error: error ?? null });
    } else if (status === 'skipped') {
      this.#onEvent({
        ...place,
        type: 'skipped',
        reason: reason ?? '',
        upstream: upstream === undefined ? null : this.#draft.pathOf(upstream),
      });
    } else if (isTerminal(status)) {
      this.#onEvent({ ...place, type: 'end', status, error: error ?? null });
    }
  }

  #announceStart(node: number, attempt: number): void {
    if (this.#onEvent === undefined) return;
    const path = this.#draft.pathOf(node);
    const depth = this.#draft.depthOf(node);
    this.#onEvent({ type: 'start', path, at: this.#clock.now(), attempt, depth });
  }
}

const none: readonly unknown[] = [];

function reasonOf({ reason }: AbortSignal): string {
  if (reason instanceof Error) return reason.message;
  return typeof reason === 'string' ? reason : 'cancelled by the caller';
}
