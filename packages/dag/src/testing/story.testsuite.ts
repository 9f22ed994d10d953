import { decide } from '../decide.ts';
import type { Dag, DagNode } from '../definition.ts';
import type { Effect, NodeError, Outcome, PlannerEvent, Question } from '../events.ts';
import { expansionsOf, planOf as grownPlanOf, itemIndices } from '../expansion.ts';
import type { NodeStatus } from '../node-status.ts';
import type { Plan } from '../plan.ts';
import { restoreState } from '../restore.ts';
import { selectNodes } from '../selection.ts';
import type { NodeSnapshot } from '../state.ts';
import { initialState, nodeSnapshot } from '../state.ts';
import type { ValidateOptions } from '../validate.ts';
import { planOf } from './random-dag.testsuite.ts';

interface StoryOptions extends ValidateOptions {
  readonly isStarted?: boolean;
  /** Paths of the nodes that the run is to have, with what they depend on. */
  readonly only?: readonly string[];
}

/** A run told event by event, with paths instead of numbers. */
export class Story {
  now = 0;
  readonly #planned: Plan;
  readonly log: Effect[] = [];
  readonly questions: Question[] = [];
  #state;

  constructor(dag: Dag, { isStarted = true, only, ...options }: StoryOptions = {}) {
    const plan = planOf(dag, options);
    const selection = only === undefined ? undefined : selectNodes(plan, only);
    if (selection?.ok === false) throw new Error(selection.faults.join('\n'));
    this.#planned = selection?.plan ?? plan;
    this.#state = initialState(this.#planned);
    if (isStarted) this.send({ type: 'start' });
  }

  /** The plan with all items so far. */
  get plan(): Plan {
    return grownPlanOf(this.#planned, this.#state);
  }

  send(event: PlannerEvent): readonly Effect[] {
    const { state, effects, questions } = decide(this.#planned, this.#state, event, this.now);
    this.#state = state;
    this.log.push(...effects);
    this.questions.push(...questions);
    return effects;
  }

  end(path: string, outcome: Outcome = 'completed', error?: NodeError): this {
    const { node, attempt } = this.row(path);
    this.send({ type: 'leaf_finished', node, attempt, outcome, ...(error && { error }) });
    return this;
  }

  cancel(path: string): readonly Effect[] {
    return this.send({ type: 'cancel', node: this.row(path).node, reason: 'enough' });
  }

  timer(path: string, kind: 'retry' | 'timeout' | 'deadline'): readonly Effect[] {
    const { node, attempt } = this.row(path);
    return this.send({ type: 'timer', node, kind, ...(kind !== 'deadline' && { attempt }) });
  }

  /** Answers the question whether the node is to run. */
  condition(path: string, result: boolean | 'not_needed' | { readonly error: NodeError }): this {
    this.send({ type: 'condition', node: this.row(path).node, result });
    return this;
  }

  /** Answers the question how many items there are. */
  expand(path: string, count: number | { readonly error: NodeError }): this {
    const result = typeof count === 'number' ? { count } : count;
    this.send({ type: 'expanded', node: this.row(path).node, result });
    return this;
  }

  /** Paths of the nodes whose condition or items were asked for, in order. */
  get asked(): string[] {
    return this.questions.map(({ node }) => this.plan.nodes[node]!.path);
  }

  /** Goes on from stored rows; tells what they make the planner ask again. */
  restore(): readonly Question[] {
    const rows = this.plan.nodes.map(({ index }) => nodeSnapshot(this.#state, index));
    const { state, questions } = restoreState(this.#planned, rows, this.now, expansionsOf(this.#state));
    this.#state = state;
    return questions;
  }

  row(path: string): NodeSnapshot {
    return nodeSnapshot(this.#state, this.plan.indexByPath.get(path)!);
  }

  status(path: string): NodeStatus {
    return this.row(path).status;
  }

  /** In which items the node is, outermost first. */
  itemsAround(path: string): readonly number[] {
    return itemIndices(this.#planned, this.#state, this.row(path).node);
  }

  statuses(): NodeStatus[] {
    return this.plan.nodes.map(({ path }) => this.status(path));
  }

  effectsOn(path: string): Effect[] {
    const index = this.plan.indexByPath.get(path);
    return this.log.filter((effect) => 'node' in effect && effect.node === index);
  }

  /** Paths of the leaves handed out so far, in order. */
  get started(): string[] {
    return this.log.flatMap((it) => (it.type === 'start_leaf' ? [this.plan.nodes[it.node]!.path] : []));
  }

  get finished(): Extract<Effect, { type: 'finished' }> | undefined {
    return this.log.find((it) => it.type === 'finished');
  }
}

/** A node with the names that it depends on. */
export function n(name: string, ...dependsOn: string[]): DagNode {
  return { name, dependsOn };
}
