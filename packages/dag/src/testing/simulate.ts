import type { Decision } from '../decide.ts';
import { decide } from '../decide.ts';
import type { Effect, NodeError, Outcome, PlannerEvent, Question } from '../events.ts';
import { nodeOf } from '../expansion.ts';
import type { TerminalStatus } from '../node-status.ts';
import type { Plan, PlanNode } from '../plan.ts';
import type { DagState } from '../state.ts';
import { initialState } from '../state.ts';
import { SimulatedClock } from './simulated-clock.ts';

type ItemsResult = Extract<PlannerEvent, { type: 'expanded' }>['result'];
type ConditionResult = Extract<PlannerEvent, { type: 'condition' }>['result'];

/** What a simulated attempt does when it gets a slot. */
export interface SimulatedAttempt {
  readonly durationMs: number;
  readonly outcome?: Outcome;
  readonly error?: NodeError;
  /** How long it goes on after it was asked to end (default 0). */
  readonly obeysAfterMs?: number;
}

export interface SimulationOptions {
  readonly attempt: (node: PlanNode, attempt: number) => SimulatedAttempt;
  /** Answers a condition, after so many ms if given (default: true, at once). */
  readonly condition?: (node: PlanNode) => { readonly result: ConditionResult; readonly afterMs?: number };
  /** Answers how many items a foreach node has (default 2). */
  readonly items?: (node: PlanNode) => { readonly result: ItemsResult; readonly afterMs?: number };
  /** How many leaves run at once in the whole tree (default: no limit). */
  readonly slots?: number;
  readonly startAt?: number;
  /** Sees each decision before its effects are carried out; may send events of its own, and may swap states. */
  readonly onDecision?: (step: SimulationStep) => void;
}

export interface SimulationStep {
  readonly event: PlannerEvent;
  readonly now: number;
  readonly before: DagState;
  readonly decision: Decision;
  /** Sends another event when everything due now is done. */
  readonly send: (event: PlannerEvent) => void;
  /** Goes on from another state, for example a restored one; its timers must be the same. */
  readonly continueFrom: (state: DagState) => void;
}

export interface SimulationResult {
  /** Null when nothing more would ever happen although the root has not ended. */
  readonly status: TerminalStatus | null;
  readonly error: NodeError | null;
  readonly makespanMs: number;
  readonly state: DagState;
  readonly log: readonly { readonly at: number; readonly effect: Effect }[];
  /** Attempts that got a slot, in the order in which they ended. */
  readonly runs: readonly SimulatedRun[];
}

export interface SimulatedRun {
  readonly node: number;
  readonly attempt: number;
  readonly startAt: number;
  readonly endAt: number;
}

/** Runs a plan on a simulated clock: the third shell around `decide`, beside `runDag` and a server. */
export function simulate(plan: Plan, options: SimulationOptions): SimulationResult {
  const simulation = new Simulation(plan, options);
  simulation.run();
  return simulation.result();
}

interface WaitingLeaf {
  readonly node: number;
  readonly attempt: number;
}

class Simulation {
  readonly #plan: Plan;
  readonly #options: SimulationOptions;
  readonly #clock: SimulatedClock;
  readonly #startAt: number;
  readonly #inbox: PlannerEvent[] = [];
  readonly #log: { at: number; effect: Effect }[] = [];
  readonly #runs: SimulatedRun[] = [];
  readonly #waiting: WaitingLeaf[] = [];
  readonly #enders = new Map<number, () => void>();
  #state: DagState;
  #freeSlots: number;
  #finished: Extract<Effect, { type: 'finished' }> | null = null;
  #endAt: number;

  constructor(plan: Plan, options: SimulationOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#startAt = options.startAt ?? 0;
    this.#endAt = this.#startAt;
    this.#clock = new SimulatedClock(this.#startAt);
    this.#state = initialState(plan);
    this.#freeSlots = options.slots ?? Number.POSITIVE_INFINITY;
  }

  run(): void {
    this.#inbox.push({ type: 'start' });
    do {
      for (let event = this.#inbox.shift(); event !== undefined; event = this.#inbox.shift())
        this.#decide(event);
      this.#fillSlots();
    } while (this.#inbox.length > 0 || this.#clock.ringNext());
  }

  result(): SimulationResult {
    return {
      status: this.#finished?.status ?? null,
      error: this.#finished?.error ?? null,
      makespanMs: this.#endAt - this.#startAt,
      state: this.#state,
      log: this.#log,
      runs: this.#runs,
    };
  }

  #decide(event: PlannerEvent): void {
    const now = this.#clock.now();
    const before = this.#state;
    const decision = decide(this.#plan, before, event, now);
    this.#state = decision.state;
    this.#options.onDecision?.({
      event,
      now,
      before,
      decision,
      send: (extra) => this.#inbox.push(extra),
      continueFrom: (state) => {
        this.#state = state;
      },
    });
    for (const effect of decision.effects) this.#carryOut(effect, now);
    for (const question of decision.questions) this.#answer(question, now);
  }

  #carryOut(effect: Effect, now: number): void {
    this.#log.push({ at: now, effect });
    if (effect.type === 'start_leaf') this.#waiting.push({ node: effect.node, attempt: effect.attempt });
    else if (effect.type === 'cancel_leaf') this.#askToEnd(effect.node, effect.attempt);
    else if (effect.type === 'set_timer') {
      const { node, kind, attempt } = effect;
      const event: PlannerEvent = { type: 'timer', node, kind, ...(attempt !== undefined && { attempt }) };
      this.#clock.setTimer(effect.at, () => this.#inbox.push(event));
    } else if (effect.type === 'finished') {
      this.#finished = effect;
      this.#endAt = now;
    }
  }

  #answer({ type, node }: Question, now: number): void {
    const planned = nodeOf(this.#plan, this.#state, node);
    const { condition, items } = this.#options;
    const answer =
      type === 'expand'
        ? (items?.(planned) ?? { result: { count: 2 } })
        : (condition?.(planned) ?? { result: true });
    const event =
      type === 'expand'
        ? { type: 'expanded' as const, node, result: answer.result as ItemsResult }
        : { type: 'condition' as const, node, result: answer.result as ConditionResult };
    const { afterMs = 0 } = answer;
    if (afterMs === 0) this.#inbox.push(event);
    else this.#clock.setTimer(now + afterMs, () => this.#inbox.push(event));
  }

  #fillSlots(): void {
    while (this.#freeSlots > 0) {
      const leaf = this.#waiting.shift();
      if (leaf === undefined) return;
      this.#freeSlots -= 1;
      this.#startRun(leaf);
    }
  }

  #startRun({ node, attempt }: WaitingLeaf): void {
    const startAt = this.#clock.now();
    const what = this.#options.attempt(nodeOf(this.#plan, this.#state, node), attempt);
    const finish = (outcome: Outcome, error?: NodeError): void => {
      this.#enders.delete(node);
      this.#freeSlots += 1;
      this.#runs.push({ node, attempt, startAt, endAt: this.#clock.now() });
      this.#inbox.push({ type: 'leaf_finished', node, attempt, outcome, ...(error && { error }) });
    };
    const withdraw = this.#clock.setTimer(startAt + what.durationMs, () =>
      finish(what.outcome ?? 'completed', what.error),
    );
    this.#enders.set(node, () => {
      const askedAt = this.#clock.now() + (what.obeysAfterMs ?? 0);
      if (askedAt >= startAt + what.durationMs) return;
      withdraw();
      this.#clock.setTimer(askedAt, () => finish('cancelled'));
    });
    this.#inbox.push({ type: 'leaf_started', node, attempt });
  }

  #askToEnd(node: number, attempt: number): void {
    const position = this.#waiting.findIndex((leaf) => leaf.node === node);
    if (position < 0) {
      this.#enders.get(node)?.();
      return;
    }
    this.#waiting.splice(position, 1);
    this.#inbox.push({ type: 'leaf_finished', node, attempt, outcome: 'cancelled' });
  }
}
