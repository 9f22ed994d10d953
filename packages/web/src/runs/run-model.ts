import {
  isTerminalRunStatus,
  type Run,
  type RunListItem,
  type RunStatus,
  type RunTree,
  type StatusCounts,
} from '@trainyard/protocol';

/**
 * A run tree as the pages use it: runs by id, which change, apart from the shape of the tree, which does
 * not. One status change costs one copy of the map, not a walk of the tree.
 */
export interface RunModel {
  readonly rootId: string;
  readonly runs: ReadonlyMap<string, Run>;
  /** Ids, depth first, in the order of the definition. */
  readonly order: readonly string[];
  /** Ids of the stages directly inside; missing for a leaf. */
  readonly children: ReadonlyMap<string, readonly string[]>;
}

export function buildRunModel(tree: RunTree): RunModel {
  const runs = new Map<string, Run>();
  const order: string[] = [];
  const children = new Map<string, readonly string[]>();
  // A stack instead of recursion keeps the definition's order and does not depend on depth.
  const stack: RunTree[] = [tree];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const { children: inside, ...run } = node;
    runs.set(run.id, run);
    order.push(run.id);
    if (inside.length > 0) {
      children.set(
        run.id,
        inside.map((child) => child.id),
      );
    }
    for (let i = inside.length - 1; i >= 0; i -= 1) stack.push(inside[i]!);
  }
  return { rootId: tree.id, runs, order, children };
}

/**
 * Puts changed runs into the model. `unknown` says that a run came which the model has no place for. A line
 * of the list, which has no outputs, leaves the outputs that are known.
 */
export function applyRuns(
  model: RunModel,
  changed: readonly (Run | RunListItem)[],
): { model: RunModel; unknown: boolean } {
  const runs = new Map(model.runs);
  let unknown = false;
  for (const run of changed) {
    const known = runs.get(run.id);
    if (known === undefined) unknown = true;
    else runs.set(run.id, 'outputs' in run ? run : withOutputsOf(known, run));
  }
  return { model: { ...model, runs }, unknown };
}

/** For every run with stages inside: how many of its leaves are in which status. */
export function rollUp(model: RunModel): ReadonlyMap<string, StatusCounts> {
  const counts = new Map<string, Partial<Record<RunStatus, number>>>();
  for (const id of model.children.keys()) counts.set(id, {});
  // From the back: children come after their parent, so their own counts are ready when they are added.
  for (let i = model.order.length - 1; i >= 0; i -= 1) {
    const run = model.runs.get(model.order[i]!)!;
    const into = run.parentId === null ? undefined : counts.get(run.parentId);
    if (into === undefined) continue;
    const own = counts.get(run.id);
    if (own === undefined) into[run.status] = (into[run.status] ?? 0) + 1;
    else for (const [status, n] of entries(own)) into[status] = (into[status] ?? 0) + n;
  }
  return counts;
}

/** Leaves under a run that run programs, in the order of the definition; the run itself when it is one. */
export function leavesUnder(model: RunModel, id: string): Run[] {
  const leaves: Run[] = [];
  const stack = [id];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const inside = model.children.get(next);
    if (inside === undefined) {
      const run = model.runs.get(next);
      if (run !== undefined && run.kind !== 'pipeline' && run.kind !== 'approval') leaves.push(run);
    } else for (let i = inside.length - 1; i >= 0; i -= 1) stack.push(inside[i]!);
  }
  return leaves;
}

export function findByPath(model: RunModel, path: string): Run | undefined {
  for (const run of model.runs.values()) if (run.path === path) return run;
  return undefined;
}

/** The siblings a run depends on. */
export function dependenciesOf(model: RunModel, run: Run): Run[] {
  if (run.parentId === null || run.dependsOn.length === 0) return [];
  const wanted = new Set(run.dependsOn);
  return siblingsOf(model, run).filter((other) => wanted.has(other.name) || wanted.has(other.path));
}

/** Runs from the root down to this one. */
export function ancestry(model: RunModel, run: Run): Run[] {
  const path: Run[] = [];
  for (let at: Run | undefined = run; at !== undefined; ) {
    path.unshift(at);
    at = at.parentId === null ? undefined : model.runs.get(at.parentId);
  }
  return path;
}

/** How far a run with stages is: leaves that have ended, and all leaves. */
export function progress(counts: StatusCounts): { ended: number; total: number } {
  let ended = 0;
  let total = 0;
  for (const [status, n] of entries(counts)) {
    total += n;
    if (isTerminalRunStatus(status)) ended += n;
  }
  return { ended, total };
}

function withOutputsOf(known: Run, { stages: _, ...rest }: RunListItem): Run {
  return { ...rest, outputs: known.outputs };
}

function siblingsOf(model: RunModel, run: Run): Run[] {
  const ids = model.children.get(run.parentId ?? '') ?? [];
  return ids.flatMap((id) => model.runs.get(id) ?? []);
}

function entries(counts: StatusCounts): [RunStatus, number][] {
  return Object.entries(counts) as [RunStatus, number][];
}
