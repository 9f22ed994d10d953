import type { Effect } from '../events.ts';
import { nodeCount, nodeOf } from '../expansion.ts';
import { MutableDraft } from '../mutable-draft.ts';
import type { NodeStatus } from '../node-status.ts';
import type { Plan } from '../plan.ts';
import { chanceOf } from '../retry-delay.ts';
import { selectNodes } from '../selection.ts';
import type { DagState, NodeSnapshot } from '../state.ts';
import { nodeSnapshot } from '../state.ts';
import { takeEvent } from '../take-event.ts';
import { validate } from '../validate.ts';
import type { StoredDecision } from './crashing-server.testsuite.ts';
import { CrashingServer } from './crashing-server.testsuite.ts';
import type { RandomCase } from './random-case.testsuite.ts';
import { deselectedNodes, nodesOf } from './reference-model.testsuite.ts';
import { ReferencePlanner } from './reference-planner.testsuite.ts';
import type { Spot } from './reference-spot.testsuite.ts';
import { endOf, isOver, placesOf, takesPlace } from './reference-spot.testsuite.ts';

/**
 * Runs a case with its crashes and holds the planner after every decision to the reference planner and to what
 * must hold whatever happens; then without crashes, which must end the same. Throws where they disagree.
 */
export function checkCase(randomCase: RandomCase): void {
  const { dag, seed, maxExpandedNodes } = randomCase;
  const validation = validate(dag, { seed: String(seed), maxExpandedNodes });
  if (!validation.ok) throw new Error(validation.faults.map(({ message }) => message).join('; '));
  const asked = askedFor(randomCase);
  const plan =
    asked.length === 0
      ? validation.plan
      : selected(
          validation.plan,
          asked.map(({ path }) => path),
        );
  const check = new ModelCheck(randomCase, new MutableDraft(plan));
  const state = new CrashingServer(plan, randomCase, true, (decision) => check.follow(decision)).run();
  check.ended(state);
  if (randomCase.crashes.length === 0) return;
  const undisturbed = new CrashingServer(plan, randomCase, false, () => {}).run();
  const ends = endingsOf(plan, state);
  for (const [at, ending] of endingsOf(plan, undisturbed).entries())
    if (ends[at] !== ending) disagree(`without crashes ${ending}, with them ${ends[at]}`);
}

class ModelCheck {
  readonly #model: ReferencePlanner;
  /** The state that is changed in place; it never crashes, and has to say the same. */
  readonly #inPlace: MutableDraft;
  readonly #ready = new Set<number>();
  readonly #attempts = new Map<number, number>();
  readonly #asked = new Map<number, string>();
  /** Nodes that were told to halt and have not been told to go on. */
  readonly #halted = new Set<number>();
  readonly #timers = new Set<string>();
  readonly #ends = new Map<number, NodeStatus>();
  #finished: NodeStatus | null = null;

  constructor(randomCase: RandomCase, inPlace: MutableDraft) {
    const { dag, seed, maxExpandedNodes } = randomCase;
    const asked = new Set(askedFor(randomCase).map(({ node }) => node));
    this.#inPlace = inPlace;
    this.#model = new ReferencePlanner(dag, {
      maxExpandedNodes,
      deselected: asked.size === 0 ? new Set() : deselectedNodes(dag, asked),
      chance: (path, attempt) => chanceOf(`${seed}\n${path}\n${attempt}`),
    });
  }

  follow(decision: StoredDecision): void {
    const { event, now, effects, state, restored } = decision;
    this.#model.apply(event, now);
    try {
      this.#compareEffects(effects);
      this.#compareTimersAndQuestions(decision);
      this.#compareRows(state);
      this.#compareInPlace(decision);
      for (const effect of effects) this.#observe(effect);
      this.#compareHalted();
    } catch (error) {
      const how = restored === null ? '' : ', with a crash';
      disagree(`at ${now} ms, after ${JSON.stringify(event)}${how}: ${(error as Error).message}`);
    }
  }

  ended(state: DagState): void {
    const { root, spots } = this.#model;
    if (this.#finished !== root.status) disagree(`the root ended ${root.status}, told: ${this.#finished}`);
    const open = spots.filter((spot) => !isOver(spot)).map(({ path }) => path);
    if (open.length > 0) disagree(`nothing happens any more, but not ended: ${open.join(', ')}`);
    for (const [node, attempts] of this.#attempts) {
      if (nodeSnapshot(state, node).attempt !== attempts)
        disagree(`${node} was handed out ${attempts} times`);
    }
  }

  #compareEffects(effects: readonly Effect[]): void {
    const told = { ready: [] as string[], start: [] as string[], cancel: [] as string[] };
    for (const effect of effects) {
      if (effect.type === 'node_ready') told.ready.push(this.#path(effect.node));
      else if (effect.type === 'start_leaf') told.start.push(`${this.#path(effect.node)}#${effect.attempt}`);
      else if (effect.type === 'cancel_leaf')
        told.cancel.push(`${this.#path(effect.node)}#${effect.attempt} ${effect.reason}`);
    }
    for (const kind of ['ready', 'start', 'cancel'] as const)
      same(`${kind} of`, told[kind].sort().join(), this.#model.wishes[kind].sort().join());
  }

  #compareTimersAndQuestions({ event, effects, questions, restored }: StoredDecision): void {
    if (restored !== null) {
      this.#timers.clear();
      this.#asked.clear();
    }
    if (event.type === 'condition' && this.#asked.get(event.node) === 'evaluate_condition')
      this.#asked.delete(event.node);
    if (event.type === 'expanded' && this.#asked.get(event.node) === 'expand') this.#asked.delete(event.node);
    for (const effect of [...(restored?.effects ?? []), ...effects])
      if (effect.type === 'set_timer') this.#timers.add(timerKey(effect.node, effect.kind));
    for (const { type, node } of [...(restored?.questions ?? []), ...questions]) this.#asked.set(node, type);
  }

  #compareRows(state: DagState): void {
    const { spots } = this.#model;
    same('number of nodes', nodeCount(state), spots.length);
    for (const [node, spot] of spots.entries()) {
      const row = nodeSnapshot(state, node);
      if (told(row, spot.isGroup) !== wanted(spot))
        same(`"${spot.path}"`, told(row, spot.isGroup), wanted(spot));
      if (row.upstream !== null) this.#checkUpstream(row.upstream, row);
      this.#checkPromises(node, spot);
      if (spot.isGroup && spot.kids.filter(takesPlace).length > placesOf(spot))
        throw new Error(`"${spot.path}" has more active children than places`);
      const before = this.#ends.get(node);
      if (before !== undefined) same(`end of "${spot.path}"`, row.status, before);
      else if (isOver(spot)) this.#ends.set(node, row.status);
    }
  }

  #compareInPlace({ event, now, effects, questions, state }: StoredDecision): void {
    const inPlace = this.#inPlace;
    inPlace.now = now;
    takeEvent(inPlace, event);
    const other = [inPlace.effects.splice(0), inPlace.questions.splice(0)];
    same('changed in place, effects', JSON.stringify([effects, questions]), JSON.stringify(other));
    inPlace.expansions.length = 0;
    for (const [node, { path, isGroup }] of this.#model.spots.entries())
      same(
        `changed in place, "${path}"`,
        told(nodeSnapshot(state, node), isGroup),
        told(inPlace.row(node), isGroup),
      );
  }

  /** A node that ended or was asked to end has nothing to halt. */
  #compareHalted(): void {
    const told = [...this.#halted].filter((node) => this.#model.spots[node]!.status === 'active');
    same(
      'paused',
      told
        .map((node) => this.#path(node))
        .sort()
        .join(),
      this.#model.halted.sort().join(),
    );
  }

  /** What has to happen for it sooner or later was asked for. */
  #checkPromises(node: number, spot: Spot): void {
    const question = this.#model.question(spot);
    if (question !== null) same(`question about "${spot.path}"`, this.#asked.get(node), question);
    const timer = this.#model.timer(spot);
    if (timer !== null && !this.#timers.has(timerKey(node, timer.kind)))
      throw new Error(`"${spot.path}" has no timer for its ${timer.kind}`);
  }

  /** The node that is blamed for a skip is not itself a link of the chain. */
  #checkUpstream(upstream: number, { reason, node }: NodeSnapshot): void {
    const cause = this.#model.spots[upstream]!;
    if (reason === 'upstream_failed' && endOf(cause) === 'failure') return;
    if (reason === 'upstream_skipped' && endOf(cause) === 'skip') return;
    if (reason !== 'upstream_failed' && reason !== 'upstream_skipped') return;
    throw new Error(`${this.#path(node)} is skipped (${reason}) because of "${cause.path}"`);
  }

  #observe(effect: Effect): void {
    if (effect.type === 'node_ready') {
      if (this.#ready.has(effect.node)) throw new Error(`${this.#path(effect.node)} is ready twice`);
      this.#ready.add(effect.node);
    } else if (effect.type === 'pause_node') {
      if (this.#halted.has(effect.node)) throw new Error(`${this.#path(effect.node)} is paused twice`);
      this.#halted.add(effect.node);
    } else if (effect.type === 'resume_node') {
      if (!this.#halted.delete(effect.node)) throw new Error(`${this.#path(effect.node)} was not paused`);
    } else if (effect.type === 'start_leaf') {
      this.#halted.delete(effect.node);
      if (!this.#ready.has(effect.node))
        throw new Error(`${this.#path(effect.node)} starts before it is ready`);
      const attempts = (this.#attempts.get(effect.node) ?? 0) + 1;
      this.#attempts.set(effect.node, attempts);
      same(`attempt of ${this.#path(effect.node)}`, effect.attempt, attempts);
    } else if (effect.type === 'finished') {
      if (this.#finished !== null) throw new Error('finished twice');
      this.#finished = effect.status;
    }
  }

  #path(node: number): string {
    return this.#model.spots[node]?.path ?? `node ${node}`;
  }
}

function askedFor({ dag, only }: RandomCase) {
  const all = nodesOf(dag);
  return only.map((at) => all[at % all.length]!);
}

function selected(plan: Plan, paths: readonly string[]): Plan {
  const selection = selectNodes(plan, paths);
  if (!selection.ok) throw new Error(selection.faults.join('; '));
  return selection.plan;
}

function timerKey(node: number, kind: string): string {
  return `${kind} ${node}`;
}

function told({ status, attempt, reason, error }: NodeSnapshot, isGroup: boolean): string {
  const detail = isTerminal(status) ? (reason ?? '') : '';
  const blamed = error === null ? '' : `${error.code}${isGroup ? ` in ${error.path}` : ''}`;
  return `${status} #${attempt} ${detail} ${blamed}`;
}

function wanted({ status, attempt, reason, error, isGroup }: Spot): string {
  const detail = isTerminal(status) ? (reason ?? '') : '';
  const blamed = error === null ? '' : `${error.code}${isGroup ? ` in ${error.path}` : ''}`;
  return `${status} #${attempt} ${detail} ${blamed}`;
}

function isTerminal(status: NodeStatus): boolean {
  return !['pending', 'waiting_retry', 'active', 'cancelling'].includes(status);
}

function endingsOf(plan: Plan, state: DagState): string[] {
  return Array.from({ length: nodeCount(state) }, (_, node) => {
    const { status, attempt, reason, error, upstream } = nodeSnapshot(state, node);
    const because = `${reason ?? ''} ${error?.message ?? ''} ${upstream ?? ''}`;
    return `"${nodeOf(plan, state, node).path}" ${status} after ${attempt}: ${because}`;
  });
}

function same(what: string, planner: unknown, model: unknown): void {
  if (planner !== model) throw new Error(`${what}: planner says [${planner}], model says [${model}]`);
}

function disagree(message: string): never {
  throw new Error(message);
}
