import { isTerminalRunStatus, type Run, type RunTree } from '@trainyard/protocol';

/** All runs of a tree as they are known now. */
export class RunState {
  readonly #runs = new Map<string, Run>();
  #tree: RunTree | undefined;
  readonly #rootId: string;
  /** Runs came that the tree did not have: a foreach got its items, and others of them may be missing yet. */
  hasGrown = false;

  constructor(rootId: string) {
    this.#rootId = rootId;
  }

  get root(): Run | undefined {
    return this.#runs.get(this.#rootId);
  }

  /** Number of runs, the root included. */
  get size(): number {
    return this.#runs.size;
  }

  runs(): Iterable<Run> {
    return this.#runs.values();
  }

  get hasEnded(): boolean {
    return this.root !== undefined && isTerminalRunStatus(this.root.status);
  }

  /** Takes the tree as the server gave it. Gives the runs whose status is new. */
  replace(tree: RunTree): Run[] {
    const all: Run[] = [];
    const open: RunTree[] = [tree];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { children, ...run } = next;
      all.push(run);
      for (const child of [...children].reverse()) open.push(child);
    }
    const news = this.apply(all);
    this.hasGrown = false;
    return news;
  }

  /** Takes changed runs. Gives those whose status is new, in an order in which it may have happened. */
  apply(changed: readonly Run[]): Run[] {
    const news: Run[] = [];
    for (const run of changed) {
      if (run.rootId !== this.#rootId) continue;
      const before = this.#runs.get(run.id);
      // Messages may overtake each other; terminal is final.
      if (before !== undefined && isTerminalRunStatus(before.status) && !isTerminalRunStatus(run.status)) {
        continue;
      }
      if (before === undefined) this.hasGrown = true;
      this.#runs.set(run.id, run);
      this.#tree = undefined;
      if (before?.status !== run.status || before.attempt !== run.attempt) news.push(run);
    }
    return news.sort(inOrderOfEvents);
  }

  /** The tree as of now; `undefined` before anything is known. */
  tree(): RunTree | undefined {
    this.#tree ??= this.#build();
    return this.#tree;
  }

  #build(): RunTree | undefined {
    const nodes = new Map<string, RunTree>();
    const sorted = [...this.#runs.values()].sort((a, b) => a.index - b.index);
    for (const run of sorted) nodes.set(run.id, { ...run, children: [] });
    for (const run of sorted) {
      const node = nodes.get(run.id)!;
      if (run.parentId !== null) nodes.get(run.parentId)?.children.push(node);
    }
    return nodes.get(this.#rootId);
  }
}

/** What ended first, inner before outer; then what began, outer before inner. */
function inOrderOfEvents(a: Run, b: Run): number {
  const [aEnded, bEnded] = [isTerminalRunStatus(a.status), isTerminalRunStatus(b.status)];
  if (aEnded !== bEnded) return aEnded ? -1 : 1;
  return aEnded ? b.depth - a.depth || a.index - b.index : a.index - b.index;
}
