import { decide } from '../decide.ts';
import type { Effect, NodeError, PlannerEvent, Question } from '../events.ts';
import type { Expansion } from '../expansion.ts';
import { nodeCount, nodeOf } from '../expansion.ts';
import type { Plan, PlanNode } from '../plan.ts';
import { restoreState } from '../restore.ts';
import { chanceOf } from '../retry-delay.ts';
import type { DagState, NodeSnapshot } from '../state.ts';
import { initialState, nodeSnapshot } from '../state.ts';
import type { RandomCase } from './random-case.testsuite.ts';
import type { SimulatedAttempt } from './simulate.ts';

/** What the rest of the world sees of a decision once it is stored. */
export interface StoredDecision {
  readonly event: PlannerEvent;
  readonly now: number;
  readonly effects: readonly Effect[];
  readonly questions: readonly Question[];
  readonly state: DagState;
  /** Timers and questions before it were lost; these are from the state that was restored after it. */
  readonly restored: { readonly effects: readonly Effect[]; readonly questions: readonly Question[] } | null;
}

interface Due {
  readonly at: number;
  /** Orders what happens in the same ms: at random, but the same after a crash. */
  readonly rank: number;
  /** Gone with the server; a restored state asks and sets its timers again. */
  readonly isVolatile: boolean;
  readonly happen: () => void;
}

interface Attempt {
  readonly node: number;
  readonly attempt: number;
}

const MAX_DECISIONS = 20_000;

/**
 * A server with a store, agents with slots, people who cancel, and a simulated clock. With `crashes`, the server
 * dies at the decisions that the case names and goes on from what is stored; agents and people notice nothing.
 */
export class CrashingServer {
  readonly #plan: Plan;
  readonly #case: RandomCase;
  readonly #look: (decision: StoredDecision) => void;
  readonly #crashes: ReadonlyMap<number, boolean>;
  readonly #due: Due[] = [];
  readonly #stored = new Map<number, NodeSnapshot>();
  readonly #expansions: Expansion[] = [];
  readonly #queue: Attempt[] = [];
  readonly #running = new Map<
    number,
    { readonly attempt: number; readonly endAt: number; isOver: boolean }
  >();
  #state: DagState;
  #now = 0;
  #decisions = 0;
  #events = 0;

  constructor(
    plan: Plan,
    randomCase: RandomCase,
    hasCrashes: boolean,
    look: (decision: StoredDecision) => void,
  ) {
    this.#plan = plan;
    this.#case = randomCase;
    this.#look = look;
    const crashes = hasCrashes ? randomCase.crashes : [];
    this.#crashes = new Map(crashes.map(({ decision, isBefore }) => [decision, isBefore]));
    this.#state = initialState(plan);
  }

  /** Lets everything happen until nothing more would; gives the last state. */
  run(): DagState {
    this.#schedule(0, 'start', () => this.#deliver({ type: 'start' }));
    for (const [at, { atMs, node, reason }] of this.#case.cancels.entries()) {
      this.#schedule(atMs, `cancel ${at}`, () =>
        this.#deliver({ type: 'cancel', node: node % nodeCount(this.#state), reason }),
      );
    }
    for (const [at, { atMs, node, forMs }] of this.#case.pauses.entries()) {
      this.#schedule(atMs, `pause ${at}`, () => {
        const paused = node % nodeCount(this.#state);
        this.#deliver({ type: 'pause', node: paused });
        this.#schedule(atMs + forMs, `resume ${at}`, () => this.#deliver({ type: 'resume', node: paused }));
      });
    }
    for (const [at, atMs] of this.#case.lossesAtMs.entries())
      this.#schedule(atMs, `loss ${at}`, () => this.#loseAgents());
    for (let due = this.#next(); due !== undefined; due = this.#next()) {
      this.#now = Math.max(this.#now, due.at);
      due.happen();
    }
    return this.#state;
  }

  #next(): Due | undefined {
    let first = 0;
    for (let at = 1; at < this.#due.length; at++) if (isBefore(this.#due[at]!, this.#due[first]!)) first = at;
    return this.#due.splice(first, 1)[0];
  }

  #schedule(at: number, key: string, happen: () => void, isVolatile = false): void {
    this.#due.push({ at, rank: this.#chance(key), isVolatile, happen });
  }

  #chance(key: string): number {
    return chanceOf(`${this.#case.seed} ${key}`);
  }

  #deliver(event: PlannerEvent): void {
    this.#events += 1;
    this.#decide(event);
    const { echoEvery } = this.#case;
    // Asked for once more, long after it was over, it would be a new pause.
    if (event.type === 'pause') return;
    if (echoEvery === 0 || this.#chance(`echo ${keyOf(event)}`) > 1 / (echoEvery + 1)) return;
    const at = this.#now + Math.floor(this.#chance(`after ${keyOf(event)}`) * 20);
    // A pause moves timers: an old one that comes again must not tell of the new time before the new one does, or
    // a run would depend on which old timers a crash took away.
    if (event.type === 'timer') this.#schedule(this.#ringsAt(at), keyOf(event), () => this.#decide(event));
    else this.#schedule(at, `echo ${keyOf(event)}`, () => this.#decide(changed(event)));
  }

  #decide(event: PlannerEvent): void {
    if (this.#decisions > MAX_DECISIONS) throw new Error(`no end after ${MAX_DECISIONS} decisions`);
    const crash = this.#crashes.get(this.#decisions++);
    let restored: StoredDecision['restored'] = null;
    if (crash === true) {
      // It decides, dies before anything is stored, and is told again by whoever told it.
      decide(this.#plan, this.#state, event, this.#now);
      restored = this.#restart();
      this.#arm(restored.effects, restored.questions);
    }
    const { state, effects, questions, expansions, changed } = decide(
      this.#plan,
      this.#state,
      event,
      this.#now,
    );
    for (const node of changed) this.#stored.set(node, nodeSnapshot(state, node));
    this.#expansions.push(...expansions);
    this.#state = state;
    if (crash === false) {
      restored = this.#restart();
      this.#arm(restored.effects, restored.questions);
    } else {
      this.#arm(effects, questions);
    }
    this.#look({ event, now: this.#now, effects, questions, state: this.#state, restored });
    for (const effect of effects) this.#carryOut(effect);
    this.#fillSlots();
  }

  #restart(): NonNullable<StoredDecision['restored']> {
    for (let at = this.#due.length - 1; at >= 0; at--) if (this.#due[at]!.isVolatile) this.#due.splice(at, 1);
    const stored = [...this.#stored.values()].reverse();
    const { state, effects, questions } = restoreState(this.#plan, stored, this.#now, this.#expansions);
    this.#state = state;
    return { effects, questions };
  }

  #arm(effects: readonly Effect[], questions: readonly Question[]): void {
    for (const effect of effects) if (effect.type === 'set_timer') this.#setTimer(effect);
    for (const question of questions) this.#ask(question);
  }

  #setTimer({ node, kind, at, attempt }: Extract<Effect, { type: 'set_timer' }>): void {
    const event: PlannerEvent = { type: 'timer', node, kind, ...(attempt !== undefined && { attempt }) };
    const key = keyOf(event);
    this.#schedule(this.#ringsAt(at), key, () => this.#deliver(event), true);
    if (at - this.#now > 3 && this.#chance(`early ${key}`) < 0.2)
      this.#schedule(at - 2, `early ${key}`, () => this.#decide(event), true);
  }

  /** Late by the same also if it is set again meanwhile. */
  #ringsAt(at: number): number {
    const { lateMs } = this.#case;
    return lateMs === 0 ? at : Math.ceil(at / lateMs) * lateMs;
  }

  #ask(question: Question): void {
    const node = nodeOf(this.#plan, this.#state, question.node);
    const event = this.#answer(question, node);
    const key = keyOf(event);
    // The same moment if it is asked again meanwhile.
    const every = 1 + Math.floor(this.#chance(`think ${key}`) * 6);
    this.#schedule(Math.ceil(this.#now / every) * every, key, () => this.#deliver(event), true);
  }

  #answer({ type, node }: Question, { path }: PlanNode): PlannerEvent {
    const digit = Math.floor(this.#chance(`${type} ${path}`) * 10);
    const error: NodeError = { code: type, message: 'no such output' };
    if (type === 'expand')
      return { type: 'expanded', node, result: digit === 9 ? { error } : { count: digit % 4 } };
    return {
      type: 'condition',
      node,
      result: digit === 9 ? { error } : digit === 0 ? 'not_needed' : digit > 2,
    };
  }

  #carryOut(effect: Effect): void {
    if (effect.type === 'pause_node') this.#askToRelease(effect);
    if (effect.type === 'start_leaf') this.#queue.push(effect);
    if (effect.type !== 'cancel_leaf') return;
    const { node, attempt } = effect;
    const position = this.#queue.findIndex((it) => it.node === node);
    if (position < 0) {
      this.#askToEnd(node);
      return;
    }
    this.#queue.splice(position, 1);
    const event: PlannerEvent = { type: 'leaf_finished', node, attempt, outcome: 'cancelled' };
    this.#schedule(this.#now, keyOf(event), () => this.#deliver(event));
  }

  #fillSlots(): void {
    while (this.#running.size < this.#case.slots && this.#queue.length > 0) {
      const { node, attempt } = this.#queue.shift()!;
      const { durationMs } = this.#behaviourOf(node, attempt);
      this.#running.set(node, { attempt, endAt: this.#now + durationMs, isOver: false });
      const started: PlannerEvent = { type: 'leaf_started', node, attempt };
      this.#schedule(this.#now, keyOf(started), () => this.#deliver(started));
      this.#schedule(this.#now + durationMs, `end ${node} ${attempt}`, () =>
        this.#endRun(node, attempt, null),
      );
    }
  }

  #behaviourOf(node: number, attempt: number): SimulatedAttempt {
    const { behaviours } = this.#case;
    const { path } = nodeOf(this.#plan, this.#state, node);
    return behaviours[Math.floor(this.#chance(`${path} ${attempt}`) * behaviours.length)]!;
  }

  /** Some programs give their place back when they are paused; the others go on or halt, which is the same here. */
  #askToRelease({ node, attempt }: Attempt): void {
    if (!this.#case.pauses.some(({ releases }) => releases)) return;
    const chance = this.#chance(`release ${node} ${attempt}`);
    const release = (): void => this.#endRun(node, attempt, 'released');
    if (chance < 0.5)
      this.#schedule(this.#now + Math.floor(chance * 40), `release ${node} ${attempt}`, release);
  }

  /** An agent reports the end of its attempt; `outcome` null: the way it was meant to end. */
  #endRun(node: number, attempt: number, outcome: 'cancelled' | 'lost' | 'released' | null): void {
    const run = this.#running.get(node);
    if (run?.attempt !== attempt || run.isOver) return;
    this.#running.delete(node);
    const behaviour = this.#behaviourOf(node, attempt);
    const { error } = outcome === null ? behaviour : {};
    this.#deliver({
      type: 'leaf_finished',
      node,
      attempt,
      outcome: outcome ?? behaviour.outcome ?? 'completed',
      ...(error && { error }),
    });
  }

  #askToEnd(node: number): void {
    const run = this.#running.get(node);
    if (run === undefined) return;
    const { attempt } = run;
    const at = this.#now + (this.#behaviourOf(node, attempt).obeysAfterMs ?? 0);
    if (at < run.endAt)
      this.#schedule(at, `obey ${node} ${attempt}`, () => this.#endRun(node, attempt, 'cancelled'));
  }

  /** Old attempts go on without their server knowing, and report when they end. */
  #loseAgents(): void {
    for (const [node, { attempt, endAt }] of [...this.#running]) {
      const late: PlannerEvent = { type: 'leaf_finished', node, attempt, outcome: 'completed' };
      this.#schedule(endAt + 1, `late ${node} ${attempt}`, () => this.#decide(late));
      this.#endRun(node, attempt, 'lost');
    }
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.rank < b.rank);
}

function keyOf(event: PlannerEvent): string {
  if (event.type === 'start') return event.type;
  const kind = event.type === 'timer' ? event.kind : '';
  return `${event.type} ${kind} ${event.node} ${'attempt' in event ? event.attempt : ''}`;
}

/** What comes again may say something else by then. */
function changed(event: PlannerEvent): PlannerEvent {
  if (event.type === 'leaf_finished')
    return { ...event, outcome: event.outcome === 'failed' ? 'completed' : 'failed' };
  if (event.type === 'condition') return { ...event, result: event.result !== true };
  return event.type === 'expanded' ? { ...event, result: { count: 1 } } : event;
}
