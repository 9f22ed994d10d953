import type { NodeError, PlannerEvent, Question } from '@trainyard/dag';
import { faultOf } from './stage-fault.ts';
import { stageItems } from './stage-items.ts';
import { stageCondition } from './stage-scope.ts';
import type { TreeChanges } from './tree-changes.ts';

/** Everything that the planner asks can be answered at once, so no question outlives its tick. */
export function answerQuestion(changes: TreeChanges, { type, node }: Question): PlannerEvent {
  const { tree } = changes;
  if (type === 'evaluate_condition') {
    return { type: 'condition', node, result: orError(() => stageCondition(tree, node)) };
  }
  const list = orError(() => stageItems(tree, node));
  if ('error' in list) return { type: 'expanded', node, result: list };
  if (list.items !== null) changes.lists.set(node, list.items);
  return { type: 'expanded', node, result: { count: list.count } };
}

function orError<T>(answer: () => T): T | { readonly error: NodeError } {
  try {
    return answer();
  } catch (error) {
    return { error: faultOf(error) };
  }
}
