import type { Draft, Ending } from './draft.ts';
import { walkBelow } from './subtree.ts';
import type { DependencyEnd } from './trigger-rule.ts';
import { judge, reasonOfSkip, tallyEnd } from './trigger-rule.ts';

/**
 * Tells everything that depends on a closed node how it ended, and, where that skips a node, also those that
 * depend on it. A list instead of recursion, because chains are long.
 */
export function tellDependents(draft: Draft, closed: number): void {
  if (draft.dependentCountOf(closed) === 0) return;
  const open = [closed];
  for (let ended = open.pop(); ended !== undefined; ended = open.pop()) {
    const count = draft.dependentCountOf(ended);
    if (count === 0) continue;
    const end = draft.dependencyEndOf(ended);
    for (let position = 0; position < count; position++) {
      const dependent = draft.dependentAt(ended, position);
      if (tell(draft, dependent, ended, end)) open.push(dependent);
    }
  }
}

/** True when the dependent was skipped by that. */
function tell(draft: Draft, index: number, ended: number, end: DependencyEnd): boolean {
  const triggerRule = draft.ruleOf(index);
  const before = draft.tallyOf(index);
  const tally = tallyEnd(before, end);
  draft.setTally(index, tally);
  const verdict = judge(triggerRule, tally);
  if (verdict === 'wait' || draft.statusOf(index) !== 'pending') return false;
  if (verdict === 'run' && judge(triggerRule, before) !== 'run') ruleMet(draft, index);
  if (verdict !== 'skip') return false;
  const reason = reasonOfSkip(triggerRule, tally);
  const upstream = reason === 'trigger_rule' ? ended : causeOfSkip(draft, index, ended, reason);
  skipWithDescendants(draft, index, { status: 'skipped', reason, upstream });
  return true;
}

/** Skips a node that has not started, with everything inside it. */
export function skipWithDescendants(draft: Draft, index: number, ending: Ending): void {
  const close = (inside: number): boolean => {
    if (!draft.hasEnded(inside)) draft.close(inside, ending);
    return true;
  };
  close(index);
  if (draft.isGroup(index)) walkBelow(draft, index, close);
}

function ruleMet(draft: Draft, index: number): void {
  const parent = draft.parentOf(index);
  // What fails fast starts nothing new; the pending rest of it is about to be skipped.
  if (draft.book(parent).draining && draft.ruleOf(index) !== 'always') return;
  if (draft.startedAtOf(parent) === null) draft.enqueue(index);
  else if (!askFirst(draft, index)) tellReady(draft, index);
}

/** Asks what has to be known about a node that may run as far as its dependencies go; false for nothing. */
export function askFirst(draft: Draft, index: number): boolean {
  if (draft.hasCondition(index) && draft.row(index).conditionMet !== true) {
    draft.questions.push({ type: 'evaluate_condition', node: index });
  } else if (draft.foreachOf(index) !== null && draft.book(index).items === null) {
    draft.questions.push({ type: 'expand', node: index });
  } else {
    return false;
  }
  return true;
}

/** Nothing but a free place is missing any more. */
export function tellReady(draft: Draft, index: number): void {
  draft.announceReady(index);
  draft.enqueue(index);
}

/** The node with which it began: that a chain was skipped explains nothing, the head of the chain does. */
function causeOfSkip(
  draft: Draft,
  index: number,
  ended: number,
  reason: 'upstream_failed' | 'upstream_skipped',
): number {
  const wanted: DependencyEnd = reason === 'upstream_failed' ? 'failure' : 'skip';
  const isCause = (it: number): boolean => draft.hasEnded(it) && draft.dependencyEndOf(it) === wanted;
  const dependency = isCause(ended) ? ended : draft.dependenciesOf(index).find(isCause)!;
  const { status, reason: its, upstream } = draft.row(dependency);
  return status === 'skipped' && its === reason && upstream !== null ? upstream : dependency;
}
