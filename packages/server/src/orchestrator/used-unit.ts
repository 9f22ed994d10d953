import type { ParamSpec, UsedBody } from '@trainyard/protocol';
import { nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';

/** What makes the pipeline at this node a unit of its own; `undefined` for any other node. */
export function usedBodyAt(tree: OwnedTree, node: number): UsedBody | undefined {
  // The items of a foreach are the pipelines, not the foreach.
  if (node === 0 || nodeAt(tree, node).foreach !== null) return undefined;
  return stageAt(tree, node)?.pipeline?.used;
}

/** The nearest used pipeline that a node is inside of, or else the whole definition. */
export function unitAround(
  tree: OwnedTree,
  node: number,
): { readonly params: Readonly<Record<string, ParamSpec>> } {
  for (let at = nodeAt(tree, node).parent; at > 0; at = nodeAt(tree, at).parent) {
    const used = usedBodyAt(tree, at);
    if (used !== undefined) return used;
  }
  return tree.definition;
}

/** Directory that a stage's `workingDir` is relative to: those of the used pipelines around it, in order. */
export function baseDirOf(tree: OwnedTree, node: number): string | null {
  const inner: string[] = [];
  for (let at = nodeAt(tree, node).parent; at > 0; at = nodeAt(tree, at).parent) {
    const baseDir = usedBodyAt(tree, at)?.baseDir;
    if (baseDir === undefined) continue;
    inner.unshift(baseDir);
    if (baseDir.startsWith('/')) return inner.reduce(joinPath);
  }
  return inner.reduce<string | null>((base, dir) => joinPath(base, dir), tree.baseDir);
}

/** Both are paths of the machine that runs the job. */
export function joinPath(baseDir: string | null, path: string): string {
  if (path.startsWith('/') || baseDir === null) return path;
  const base = baseDir.replace(/\/+$/, '');
  return path === '.' ? base || '/' : `${base}/${path.replace(/^\.\//, '')}`;
}
