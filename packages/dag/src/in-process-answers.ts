import type { Dag, DagNode, WhenContext } from './definition.ts';
import type { Draft } from './draft.ts';
import type { NodeError, PlannerEvent, Question } from './events.ts';
import { errorOf } from './leaf-pool.ts';
import type { NodeStatus } from './node-status.ts';

type AnswerEvent = Extract<PlannerEvent, { type: 'condition' | 'expanded' }>;

/** What the answers need of the run that asks. */
export interface AskingRun {
  readonly draft: Draft;
  readonly send: (event: AnswerEvent) => void;
}

/** Evaluates the `when` functions and the lists of a definition for the run in this process. */
export class Answers {
  readonly #run: AskingRun;
  /** By the number of the node in the definition. */
  readonly #sources: ReadonlyMap<number, DagNode>;
  /** By the number of the foreach node. */
  readonly #lists = new Map<number, readonly unknown[]>();
  /** The nodes of items so far, by path. */
  readonly #grown = new Map<string, number>();
  #isClosed = false;

  constructor(dag: Dag, run: AskingRun) {
    this.#run = run;
    this.#sources = nodesThatAsk(dag);
  }

  async answer({ type, node }: Question): Promise<void> {
    const event: AnswerEvent =
      type === 'expand'
        ? { type: 'expanded', node, result: await this.#listOf(node) }
        : { type: 'condition', node, result: await this.#conditionOf(node) };
    if (!this.#isClosed) this.#run.send(event);
  }

  /** The items that a node is for, outermost first. */
  itemsOf(node: number): readonly unknown[] {
    if (this.#lists.size === 0) return [];
    const items: unknown[] = [];
    const { draft } = this.#run;
    for (let at = node; at > 0; at = draft.parentOf(at)) {
      const item = draft.itemOf(at);
      if (item !== null) items.push(this.#lists.get(draft.parentOf(at))![item]);
    }
    return items.reverse();
  }

  /** Answers nothing more. */
  close(): void {
    this.#isClosed = true;
  }

  async #conditionOf(node: number): Promise<boolean | { readonly error: NodeError }> {
    try {
      // Never in the same turn as the decision that asks.
      await Promise.resolve();
      const when = this.#sourceOf(node)?.when;
      if (when === undefined) throw new TypeError('it has a condition but no function `when`');
      const result: unknown = await when(this.#contextOf(node));
      if (typeof result === 'boolean') return result;
      throw new TypeError(`its condition gave ${String(result)}; it must give true or false`);
    } catch (thrown) {
      return { error: { ...errorOf(thrown), code: 'condition' } };
    }
  }

  async #listOf(node: number): Promise<{ readonly count: number } | { readonly error: NodeError }> {
    try {
      await Promise.resolve();
      const given = this.#sourceOf(node)?.foreach?.items;
      const list: unknown = typeof given === 'function' ? await given(this.#contextOf(node)) : given;
      if (!Array.isArray(list)) throw new TypeError(`its foreach gave ${String(list)}; it must give a list`);
      this.#lists.set(node, list);
      return { count: list.length };
    } catch (thrown) {
      return { error: { ...errorOf(thrown), code: 'invalid_items' } };
    }
  }

  #sourceOf(node: number): DagNode | undefined {
    return this.#sources.get(this.#run.draft.sourceOf(node));
  }

  #contextOf(node: number): WhenContext {
    const { draft } = this.#run;
    return {
      path: draft.pathOf(node),
      name: draft.nameOf(node),
      items: this.itemsOf(node),
      statusOf: (path) => this.#statusOf(path),
    };
  }

  #statusOf(path: string): NodeStatus {
    const { draft } = this.#run;
    const { size } = draft.plan.columns;
    for (let at = size + this.#grown.size; at < draft.nodeCount; at++) this.#grown.set(draft.pathOf(at), at);
    const node = draft.plan.indexByPath.get(path) ?? this.#grown.get(path);
    if (node === undefined) throw new RangeError(`There is no node "${path}"`);
    return draft.statusOf(node);
  }
}

/** Nodes of a definition are numbered in preorder. */
function nodesThatAsk(dag: Dag): Map<number, DagNode> {
  const found = new Map<number, DagNode>();
  const open = [{ nodes: dag.nodes, next: 0 }];
  for (let index = 1; open.length > 0; ) {
    const top = open[open.length - 1]!;
    const node = top.nodes[top.next++];
    if (node === undefined) {
      open.pop();
      continue;
    }
    if (node.when !== undefined || node.foreach !== undefined) found.set(index, node);
    if (node.dag !== undefined) open.push({ nodes: node.dag.nodes, next: 0 });
    index += 1;
  }
  return found;
}
