import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { decide } from './decide.ts';
import type { Dag } from './definition.ts';
import type { Effect, NodeError, PlannerEvent } from './events.ts';
import { nodeOf, planOf } from './expansion.ts';
import type { Fault } from './fault.ts';
import { Answers } from './in-process-answers.ts';
import type { LeafHandler } from './leaf-pool.ts';
import { LeafPool } from './leaf-pool.ts';
import type { NodeStatus, TerminalStatus } from './node-status.ts';
import { isTerminal } from './node-status.ts';
import type { Plan, PlanNode } from './plan.ts';
import type { DagState } from './state.ts';
import { initialState, nodeSnapshot } from './state.ts';
import { validate } from './validate.ts';

export interface RunDagOptions {
  /** DAGs inside each other, the root included (default 10). */
  readonly maxDepth?: number;
  /** Leaves that run at once in the whole tree (default: no limit beside each `maxParallel`). */
  readonly concurrency?: number;
  readonly clock?: Clock;
  /** For the jitter of retries (default empty: the same in every run). */
  readonly seed?: string;
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

export interface RunResult {
  readonly status: TerminalStatus;
  readonly error: NodeError | null;
  /** All nodes but the root, groups included, in the order of the definition. */
  readonly nodes: readonly NodeResult[];
  readonly summary: RunSummary;
}

export interface NodeResult {
  readonly path: string;
  readonly status: NodeStatus;
  readonly attempt: number;
  readonly error: NodeError | null;
}

/** Paths by how they ended: `completed` includes stopped, `failed` includes timed out. */
export interface RunSummary {
  readonly total: number;
  readonly completed: readonly string[];
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  readonly cancelled: readonly string[];
}

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
  const { maxDepth, seed } = options;
  const limits = { ...(maxDepth !== undefined && { maxDepth }), ...(seed !== undefined && { seed }) };
  const validation = validate(dag, limits);
  if (!validation.ok) throw new InvalidDagError(validation.faults);
  return new Run(dag, validation.plan, handler, options).done;
}

class Run {
  readonly done: Promise<RunResult>;
  readonly #plan: Plan;
  readonly #clock: Clock;
  readonly #onEvent: ((event: RunEvent) => void) | undefined;
  readonly #pool: LeafPool;
  readonly #answers: Answers;
  readonly #inbox: PlannerEvent[] = [];
  /** By node: an attempt has at most one timer at a time, and so has a group. */
  readonly #timers = new Map<number, () => void>();
  readonly #resolve: (result: RunResult) => void;
  readonly #reject: (error: unknown) => void;
  #state: DagState;
  #isDeciding = false;

  constructor(dag: Dag, plan: Plan, handler: LeafHandler, options: RunDagOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
    this.done = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#plan = plan;
    this.#clock = options.clock ?? systemClock;
    this.#onEvent = options.onEvent;
    this.#state = initialState(plan);
    const nodeAt = (index: number): PlanNode => nodeOf(plan, this.#state, index);
    const send = (event: PlannerEvent): void => this.#send(event);
    this.#answers = new Answers(dag, { nodeAt, send, statusOf: (path) => this.#statusOf(path) });
    const itemsOf = (index: number): readonly unknown[] => this.#answers.itemsOf(index);
    const slots = options.concurrency ?? Number.POSITIVE_INFINITY;
    this.#pool = new LeafPool({ nodeAt, itemsOf, send }, handler, slots);
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
  #send(event: PlannerEvent): void {
    this.#inbox.push(event);
    if (this.#isDeciding) return;
    this.#isDeciding = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) this.#decide(next);
    } catch (error) {
      this.#giveUp(error);
    } finally {
      this.#isDeciding = false;
    }
  }

  /** Only a throwing `onEvent` leads here. */
  #giveUp(error: unknown): void {
    for (const withdraw of this.#timers.values()) withdraw();
    this.#pool.close();
    this.#answers.close();
    this.#reject(error);
  }

  #decide(event: PlannerEvent): void {
    if (event.type === 'leaf_started') this.#announceStart(event.node, event.attempt);
    const { state, effects, questions } = decide(this.#plan, this.#state, event, this.#clock.now());
    this.#state = state;
    for (const effect of effects) this.#carryOut(effect);
    for (const question of questions) void this.#answers.answer(question);
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'node_ready':
        this.#onEvent?.({ type: 'ready', path: this.#path(effect.node), at: this.#clock.now() });
        break;
      case 'start_leaf':
        this.#pool.add(effect.node, effect.attempt);
        break;
      case 'cancel_leaf':
        this.#pool.cancel(effect.node, effect.reason);
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
      case 'finished':
        this.#resolve(resultOf(this.#plan, this.#state, effect.status, effect.error ?? null));
        break;
    }
  }

  #onStatus({ node, status, reason, error, upstream }: Extract<Effect, { type: 'node_status' }>): void {
    const { isGroup } = nodeOf(this.#plan, this.#state, node);
    const place = { path: this.#path(node), at: this.#clock.now() };
    if (isTerminal(status)) {
      this.#timers.get(node)?.();
      this.#timers.delete(node);
    }
    if (status === 'active' && isGroup) this.#announceStart(node, 1);
    else if (status === 'waiting_retry') {
      const { attempt } = nodeSnapshot(this.#state, node);
      this.#onEvent?.({ ...place, type: 'retry', attempt, error: error ?? null });
    } else if (status === 'skipped') {
      this.#onEvent?.({
        ...place,
        type: 'skipped',
        reason: reason ?? '',
        upstream: upstream === undefined ? null : this.#path(upstream),
      });
    } else if (isTerminal(status)) {
      this.#onEvent?.({ ...place, type: 'end', status, error: error ?? null });
    }
  }

  #announceStart(node: number, attempt: number): void {
    const { path, depth } = nodeOf(this.#plan, this.#state, node);
    this.#onEvent?.({ type: 'start', path, at: this.#clock.now(), attempt, depth });
  }

  #statusOf(path: string): NodeStatus {
    const node = this.#plan.indexByPath.get(path) ?? planOf(this.#plan, this.#state).indexByPath.get(path);
    if (node === undefined) throw new RangeError(`There is no node "${path}"`);
    return nodeSnapshot(this.#state, node).status;
  }

  #path(node: number): string {
    return nodeOf(this.#plan, this.#state, node).path;
  }
}

function resultOf(plan: Plan, state: DagState, status: TerminalStatus, error: NodeError | null): RunResult {
  const nodes = inOrder(planOf(plan, state)).map((node): NodeResult => {
    const row = nodeSnapshot(state, node.index);
    return { path: node.path, status: row.status, attempt: row.attempt, error: row.error };
  });
  const pathsOf = (...statuses: NodeStatus[]): string[] =>
    nodes.filter((node) => statuses.includes(node.status)).map((node) => node.path);
  const summary = {
    total: nodes.length,
    completed: pathsOf('completed', 'stopped'),
    failed: pathsOf('failed', 'timed_out'),
    skipped: pathsOf('skipped'),
    cancelled: pathsOf('cancelled'),
  };
  return { status, error, nodes, summary };
}

/** Without the root; items stand where their foreach is. */
function inOrder({ nodes }: Plan): PlanNode[] {
  const ordered: PlanNode[] = [];
  const open = nodes[0]!.children.toReversed();
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    const node = nodes[index]!;
    ordered.push(node);
    for (const child of node.children.toReversed()) open.push(child);
  }
  return ordered;
}

function reasonOf({ reason }: AbortSignal): string {
  if (reason instanceof Error) return reason.message;
  return typeof reason === 'string' ? reason : 'cancelled by the caller';
}
