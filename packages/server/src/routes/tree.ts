import { type Run, type RunTree, TrainyardError } from '@trainyard/protocol';

/** Hangs the runs of a tree below each other; answers the branch that starts at `id`. */
export function toTree(runs: readonly Run[], id: string): RunTree {
  const nodes = new Map<string, RunTree>(runs.map((run) => [run.id, { ...run, children: [] }]));
  for (const node of nodes.values()) {
    if (node.parentId !== null) nodes.get(node.parentId)?.children.push(node);
  }
  const found = nodes.get(id);
  if (found === undefined) throw new TrainyardError('NOT_FOUND', `There is no run ${id} in this tree.`);
  return found;
}
