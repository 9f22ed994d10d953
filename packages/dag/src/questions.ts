import { askFirst, skipWithDescendants, tellReady } from './dependents.ts';
import type { Draft, Ending } from './draft.ts';
import type { NodeError, PlannerEvent, Question } from './events.ts';
import { itemNodes } from './expansion.ts';
import type { PlanNode } from './plan.ts';
import { skipDeselected } from './selection.ts';
import { finish } from './settle.ts';
import type { NodeSnapshot } from './state.ts';
import type { Tally } from './trigger-rule.ts';
import { judge } from './trigger-rule.ts';

type EventOf<T extends PlannerEvent['type']> = Extract<PlannerEvent, { type: T }>;

/** What the caller owes an answer to about a node; null for nothing. */
export function openQuestion(
  { node, status, conditionMet }: Pick<NodeSnapshot, 'node' | 'status' | 'conditionMet'>,
  { condition, foreach, triggerRule }: Pick<PlanNode, 'condition' | 'foreach' | 'triggerRule'>,
  known: { readonly tally: Tally; readonly hasItems: boolean; readonly isInStarted: boolean },
): Question | null {
  if (status !== 'pending' || !(condition || foreach !== null)) return null;
  if (!known.isInStarted || judge(triggerRule, known.tally) !== 'run') return null;
  if (condition && conditionMet !== true) return { type: 'evaluate_condition', node };
  return foreach !== null && !known.hasItems ? { type: 'expand', node } : null;
}

/** Takes the answer; a node that was not asked, or not any more, stays as it is. */
export function conditionAnswered(draft: Draft, { node, result }: EventOf<'condition'>): void {
  if (!isOpen(draft, node, 'evaluate_condition')) return;
  if (result === true) {
    draft.patchRow(node, { conditionMet: true });
    if (!askFirst(draft, node)) tellReady(draft, node);
  } else if (result === false || result === 'not_needed') {
    skip(draft, node, result === false ? 'condition' : result);
  } else {
    fail(draft, node, result.error);
  }
}

/** Takes the number of items and appends their nodes behind all others. */
export function expanded(draft: Draft, { node, result }: EventOf<'expanded'>): void {
  if (!isOpen(draft, node, 'expand')) return;
  const foreach = draft.foreachOf(node)!;
  const { emptyAs = 'skipped', template } = foreach;
  const error = 'error' in result ? result.error : faultOfCount(draft, node, result.count);
  if (error !== null || 'error' in result) {
    fail(draft, node, error!);
  } else if (result.count === 0 && emptyAs === 'skipped') {
    skip(draft, node, 'empty');
  } else {
    const first = draft.nodeCount;
    const owner = { index: node, path: draft.pathOf(node), depth: draft.depthOf(node), foreach };
    draft.append({ node, count: result.count }, itemNodes(owner, result.count, first));
    draft.patchBook(node, {
      items: { first, count: result.count, size: template.length },
      open: result.count,
    });
    skipDeselected(draft, first);
    tellReady(draft, node);
  }
}

function faultOfCount(draft: Draft, node: number, count: number): NodeError | null {
  const { maxItems, template } = draft.foreachOf(node)!;
  const { maxExpandedNodes } = draft.plan;
  if (!Number.isSafeInteger(count) || count < 0) {
    return { code: 'invalid_items', message: `foreach was given ${count} items; it needs a list` };
  }
  if (count > maxItems) {
    const message = `foreach has ${count} items, more than its maxItems of ${maxItems}; split the list or raise maxItems`;
    return { code: 'too_many_items', message };
  }
  const total = draft.nodeCount + count * template.length;
  if (count === 0 || total <= maxExpandedNodes) return null;
  const message = `the ${count} items of "${draft.pathOf(node)}" would make ${total} nodes in the run, more than ${maxExpandedNodes}; use fewer items or several runs`;
  return { code: 'too_many_nodes', message };
}

function isOpen(draft: Draft, index: number, type: Question['type']): boolean {
  const parent = draft.parentOf(index);
  if (parent < 0) return false;
  const condition = draft.hasCondition(index);
  const foreach = draft.foreachOf(index);
  const question = openQuestion(
    draft.row(index),
    { condition, foreach, triggerRule: draft.ruleOf(index) },
    {
      tally: draft.tallyOf(index),
      hasItems: foreach !== null && draft.book(index).items !== null,
      isInStarted: draft.startedAtOf(parent) !== null,
    },
  );
  return question?.type === type;
}

function skip(draft: Draft, index: number, reason: 'condition' | 'not_needed' | 'empty'): void {
  const ending: Ending = { status: 'skipped', reason };
  finish(draft, index, ending);
  skipWithDescendants(draft, index, { ...ending, upstream: index });
}

function fail(draft: Draft, index: number, error: NodeError): void {
  finish(draft, index, { status: 'failed', error: { ...error, path: draft.pathOf(index) } });
  skipWithDescendants(draft, index, { status: 'skipped', reason: 'upstream_failed', upstream: index });
}
