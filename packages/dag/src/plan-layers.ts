import type { Plan } from './plan.ts';
import type { PlanColumns } from './plan-columns.ts';
import { endIn, extrasOf, groupIn } from './plan-columns.ts';
import { linkCount } from './sibling-links.ts';

/** For display: the children of a group by layers, each one layer behind its last dependency. */
export function layersOf({ columns }: Pick<Plan, 'columns'>, group = 0): number[][] {
  const children = groupIn(columns, group)?.children;
  return children === undefined ? [] : layersIn(columns, children);
}

/** What a node of a plan stands for, without the objects of `plan.nodes`: a leaf is one node. */
export function extentOf(
  { columns }: Pick<Plan, 'columns'>,
  node: number,
): { readonly kind: 'leaf' | 'dag' | 'foreach'; readonly nodes: number } {
  if (groupIn(columns, node) === null) return { kind: 'leaf', nodes: 1 };
  const isForeach = extrasOf(columns, node).foreach !== null;
  return { kind: isForeach ? 'foreach' : 'dag', nodes: endIn(columns, node) - node };
}

export function layersIn({ dependsOn, dependents }: PlanColumns, children: Int32Array): number[][] {
  const first = children[0] ?? 0;
  const unmet = new Int32Array((children[children.length - 1] ?? first) - first + 1);
  const layers: number[][] = [];
  let layer: number[] = [];
  for (let at = 0; at < children.length; at++) {
    const child = children[at]!;
    unmet[child - first] = linkCount(dependsOn, child);
    if (unmet[child - first] === 0) layer.push(child);
  }
  while (layer.length > 0) {
    layers.push(layer);
    const next: number[] = [];
    for (let at = 0; at < layer.length; at++) {
      const child = layer[at]!;
      for (let link = dependents.starts[child]!; link < dependents.starts[child + 1]!; link++) {
        const dependent = dependents.targets[link]!;
        unmet[dependent - first]! -= 1;
        if (unmet[dependent - first] === 0) next.push(dependent);
      }
    }
    layer = next.sort((a, b) => a - b);
  }
  return layers;
}
