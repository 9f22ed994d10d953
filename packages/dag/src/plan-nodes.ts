import type { PlanNode } from './plan.ts';
import type { GroupColumns, PlanColumns } from './plan-columns.ts';
import { depthIn, endIn, extrasOf, groupIn, parentIn, pathIn, ruleIn, sourceIn } from './plan-columns.ts';
import { linkCount, targetsOf } from './sibling-links.ts';

/** Every node of a plan as an object. O(nodes + dependencies). */
export function planNodes(columns: PlanColumns): PlanNode[] {
  return Array.from({ length: columns.size }, (_, index) => planNode(columns, index));
}

const none: readonly number[] = [];

function planNode(columns: PlanColumns, index: number): PlanNode {
  const group = groupIn(columns, index);
  const dependsOn = targetsOf(columns.dependsOn, index);
  return {
    index,
    parent: parentIn(columns, index),
    depth: depthIn(columns, index),
    name: columns.names[index]!,
    path: pathIn(columns, index),
    isGroup: group !== null,
    end: endIn(columns, index),
    children: group === null ? none : Array.from(group.children),
    dependsOn,
    dependents: targetsOf(columns.dependents, index),
    dependencyCount: dependsOn.length,
    triggerRule: ruleIn(columns, index),
    source: sourceIn(columns, index),
    item: null,
    ...extrasOf(columns, index),
    group: group && {
      maxParallel: group.maxParallel,
      failPolicy: group.failPolicy,
      onSiblings: group.onSiblings,
      deadlineMs: group.deadlineMs,
      roots: group.roots,
      layers: layersOf(group, columns),
    },
  };
}

function layersOf({ children }: GroupColumns, { dependsOn, dependents }: PlanColumns): number[][] {
  const unmet = new Map(Array.from(children, (child) => [child, linkCount(dependsOn, child)]));
  const layers: number[][] = [];
  let layer = Array.from(children.filter((child) => unmet.get(child) === 0));
  while (layer.length > 0) {
    layers.push(layer);
    const next: number[] = [];
    for (const dependent of layer.flatMap((child) => targetsOf(dependents, child))) {
      const left = unmet.get(dependent)! - 1;
      unmet.set(dependent, left);
      if (left === 0) next.push(dependent);
    }
    layer = next.sort((a, b) => a - b);
  }
  return layers;
}
