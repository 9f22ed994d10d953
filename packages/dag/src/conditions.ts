import { skipWithDescendants, tellReady } from './dependents.ts';
import type { Draft } from './draft.ts';
import type { PlannerEvent } from './events.ts';
import type { PlanNode } from './plan.ts';
import { finish } from './settle.ts';
import type { NodeSnapshot } from './state.ts';
import type { Tally } from './trigger-rule.ts';
import { judge } from './trigger-rule.ts';

/** True while the caller owes the answer to `evaluate_condition`. */
export function isAsked(node: PlanNode, row: NodeSnapshot, tally: Tally, parent: NodeSnapshot): boolean {
  if (row.status !== 'pending' || !node.condition || row.conditionMet === true) return false;
  return parent.startedAt !== null && judge(node.triggerRule, tally) === 'run';
}

/** Takes the answer; a node that was not asked, or not any more, stays as it is. */
export function conditionAnswered(draft: Draft, event: Extract<PlannerEvent, { type: 'condition' }>): void {
  const { node: index, result } = event;
  const row = draft.row(index);
  const node = draft.node(index);
  if (node.parent < 0 || !isAsked(node, row, draft.tally(index), draft.row(node.parent))) return;
  if (result === true) {
    draft.patchRow(index, { conditionMet: true });
    tellReady(draft, index);
  } else if (result === false) {
    finish(draft, index, { status: 'skipped', reason: 'condition' });
    skipWithDescendants(draft, index, { status: 'skipped', reason: 'condition', upstream: index });
  } else {
    finish(draft, index, { status: 'failed', error: { ...result.error, path: node.path } });
    skipWithDescendants(draft, index, { status: 'skipped', reason: 'upstream_failed', upstream: index });
  }
}
