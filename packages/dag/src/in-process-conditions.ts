import type { Dag, DagNode, WhenContext } from './definition.ts';
import type { PlannerEvent } from './events.ts';
import { errorOf } from './leaf-pool.ts';
import type { Plan } from './plan.ts';

type ConditionEvent = Extract<PlannerEvent, { type: 'condition' }>;

/** Evaluates the `when` functions of a definition for the run in this process. */
export class Conditions {
  readonly #plan: Plan;
  readonly #when: ReadonlyMap<number, NonNullable<DagNode['when']>>;
  readonly #statusOf: WhenContext['statusOf'];
  readonly #send: (event: ConditionEvent) => void;
  #isClosed = false;

  constructor(
    dag: Dag,
    plan: Plan,
    statusOf: WhenContext['statusOf'],
    send: (event: ConditionEvent) => void,
  ) {
    this.#plan = plan;
    this.#when = whenByNode(dag);
    this.#statusOf = statusOf;
    this.#send = send;
  }

  async evaluate(node: number): Promise<void> {
    const result = await this.#resultOf(node);
    if (!this.#isClosed) this.#send({ type: 'condition', node, result });
  }

  /** Answers nothing more. */
  close(): void {
    this.#isClosed = true;
  }

  async #resultOf(node: number): Promise<ConditionEvent['result']> {
    const { path, name } = this.#plan.nodes[node]!;
    try {
      // Never in the same turn as the decision that asks.
      await Promise.resolve();
      const when = this.#when.get(node);
      if (when === undefined) throw new TypeError('it has a condition but no function `when`');
      const result: unknown = await when({ path, name, statusOf: this.#statusOf });
      if (typeof result === 'boolean') return result;
      throw new TypeError(`its condition gave ${String(result)}; it must give true or false`);
    } catch (thrown) {
      return { error: { ...errorOf(thrown), code: 'condition' } };
    }
  }
}

/** Nodes are numbered in preorder. */
function whenByNode(dag: Dag): Map<number, NonNullable<DagNode['when']>> {
  const found = new Map<number, NonNullable<DagNode['when']>>();
  const open = [{ nodes: dag.nodes, next: 0 }];
  for (let index = 1; open.length > 0; ) {
    const top = open[open.length - 1]!;
    const node = top.nodes[top.next++];
    if (node === undefined) {
      open.pop();
      continue;
    }
    if (node.when !== undefined) found.set(index, node.when);
    if (node.dag !== undefined) open.push({ nodes: node.dag.nodes, next: 0 });
    index += 1;
  }
  return found;
}
