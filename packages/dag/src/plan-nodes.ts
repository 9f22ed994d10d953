import type { PlanGroup, PlanNode } from './plan.ts';
import type { PlanColumns } from './plan-columns.ts';
import { depthIn, endIn, extrasOf, groupIn, parentIn, pathIn, ruleIn, sourceIn } from './plan-columns.ts';
import { layersIn } from './plan-layers.ts';
import { targetsOf } from './sibling-links.ts';

/** Every node of a plan as an object. O(nodes + dependencies). */
export function planNodes(columns: PlanColumns): PlanNode[] {
  return Array.from({ length: columns.size }, (_, index) => planNode(columns, index));
}

const none: readonly number[] = [];

function planNode(columns: PlanColumns, index: number): PlanNode {
  const group = groupIn(columns, index);
  let layers: PlanGroup['layers'] | undefined;
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
      // For display, and costly where there are many.
      get layers() {
        layers ??= layersIn(columns, group.children);
        return layers;
      },
    },
  };
}
