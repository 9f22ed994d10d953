import { askFirst, skipWithDescendants, tellReady } from './dependents.ts';
import type { Draft, Ending } from './draft.ts';
import type { NodeError, PlannerEvent, Question } from './events.ts';
import { itemNodes } from './expansion.ts';
import type { PlanNode } from './plan.ts';
import { skipDeselected } from './selection.ts';
import { finish } from './settle.ts';
import type { GroupBook, NodeSnapshot } from './state.ts';
import type { Tally } from './trigger-rule.ts';
import { judge } from './trigger-rule.ts';

type EventOf<T extends PlannerEvent['type']> = Extract<PlannerEvent, { type: T }>;

/** What the caller owes an answer to about a node; null for nothing. */
export function openQuestion(
  node: PlanNode,
  row: NodeSnapshot,
  book: GroupBook | null,
  tally: Tally,
  parent: NodeSnapshot,
): Question | null {
  const isUndecided = row.status === 'pending' && (node.condition || node.foreach !== null);
  if (!isUndecided || parent.startedAt === null || judge(node.triggerRule, tally) !== 'run') return null;
  if (node.condition && row.conditionMet !== true) return { type: 'evaluate_condition', node: node.index };
  return node.foreach !== null && book!.items === null ? { type: 'expand', node: node.index } : null;
}

/** Takes the answer; a node that was not asked, or not any more, stays as it is. */
export function conditionAnswered(draft: Draft, { node, result }: EventOf<'condition'>): void {
  if (!isOpen(draft, node, 'evaluate_condition')) return;
  if (result === true) {
    draft.patchRow(node, { conditionMet: true });
    if (!askFirst(draft, node)) tellReady(draft, node);
  } else if (result === false) {
    skip(draft, node, 'condition');
  } else {
    fail(draft, node, result.error);
  }
}

/** Takes the number of items and appends their nodes behind all others. */
export function expanded(draft: Draft, { node, result }: EventOf<'expanded'>): void {
  if (!isOpen(draft, node, 'expand')) return;
  const foreach = draft.node(node);
  const { emptyAs = 'skipped', template } = foreach.foreach!;
  const error = 'error' in result ? result.error : faultOfCount(draft, foreach, result.count);
  if (error !== null || 'error' in result) {
    fail(draft, node, error!);
  } else if (result.count === 0 && emptyAs === 'skipped') {
    skip(draft, node, 'empty');
  } else {
    const first = draft.nodeCount;
    const nodes = itemNodes(foreach, result.count, first);
    draft.append({ node, count: result.count }, nodes);
    draft.patchBook(node, {
      items: { first, count: result.count, size: template.length },
      open: result.count,
    });
    skipDeselected(draft, nodes);
    tellReady(draft, node);
  }
}

function faultOfCount(draft: Draft, { foreach, path }: PlanNode, count: number): NodeError | null {
  const { maxItems, template } = foreach!;
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
  const message = `the ${count} items of "${path}" would make ${total} nodes in the run, more than ${maxExpandedNodes}; use fewer items or several runs`;
  return { code: 'too_many_nodes', message };
}

function isOpen(draft: Draft, index: number, type: Question['type']): boolean {
  const node = draft.node(index);
  if (node.parent < 0) return false;
  const book = node.isGroup ? draft.book(index) : null;
  return (
    openQuestion(node, draft.row(index), book, draft.tally(index), draft.row(node.parent))?.type === type
  );
}

function skip(draft: Draft, index: number, reason: 'condition' | 'empty'): void {
  const ending: Ending = { status: 'skipped', reason };
  finish(draft, index, ending);
  skipWithDescendants(draft, index, { ...ending, upstream: index });
}

function fail(draft: Draft, index: number, error: NodeError): void {
  finish(draft, index, { status: 'failed', error: { ...error, path: draft.node(index).path } });
  skipWithDescendants(draft, index, { status: 'skipped', reason: 'upstream_failed', upstream: index });
}
