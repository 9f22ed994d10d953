import { isFailedSkip, isSuccess } from './node-status.ts';
import type { NodeSnapshot } from './state.ts';

/**
 * When a node runs, told by how its dependencies ended. Success: completed or stopped. Failure: failed, timed
 * out, cancelled, or skipped because of a failure. Skipped: skipped for any other reason.
 */
export const triggerRules = {
  all_success: 'Every dependency succeeded.',
  all_done: 'Every dependency has ended, however that was.',
  one_success: 'A dependency succeeded; the others are not waited for.',
  one_failed: 'A dependency failed; the others are not waited for.',
  none_failed: 'Every dependency has ended and none failed; skipped ones do not matter.',
  none_failed_min_one_success: 'As none_failed, and not all of them were skipped.',
  all_failed: 'Every dependency failed.',
  always: 'As all_done, and a fail-fast or a cancel around it pass over it: for cleaning up.',
} as const;
export type TriggerRule = keyof typeof triggerRules;

export const triggerRuleNames = Object.keys(triggerRules) as readonly TriggerRule[];

/** Without dependencies there is nothing that these could be judged by. */
export const rulesThatNeedDependencies: readonly TriggerRule[] = [
  'one_success',
  'one_failed',
  'none_failed_min_one_success',
  'all_failed',
];

export type DependencyEnd = 'success' | 'failure' | 'skip';

/** What a finished node counts as for those that depend on it. */
export function dependencyEnd({ status, reason }: NodeSnapshot): DependencyEnd {
  if (isSuccess(status)) return 'success';
  return status === 'skipped' && !isFailedSkip(reason) ? 'skip' : 'failure';
}

/**
 * How the dependencies of a node ended, in one small integer because every node has one: bits 0-2 tell that
 * one succeeded, was skipped, failed; the rest counts those that have not ended.
 */
export type Tally = number;

const BIT: Readonly<Record<DependencyEnd, number>> = { success: 1, skip: 2, failure: 4 };
const ONE_WAITING = 8;

export function initialTally(dependencyCount: number): Tally {
  return dependencyCount * ONE_WAITING;
}

export function tallyEnd(tally: Tally, end: DependencyEnd): Tally {
  return (tally - ONE_WAITING) | BIT[end];
}

export type Verdict = 'run' | 'skip' | 'wait';

/**
 * Judges a rule as early as neither the verdict nor the reason of a skip can change any more, so that the
 * order in which dependencies end never matters.
 */
export function judge(rule: TriggerRule, tally: Tally): Verdict {
  const isWaiting = tally >= ONE_WAITING;
  const hasSuccess = (tally & BIT.success) !== 0;
  const hasSkip = (tally & BIT.skip) !== 0;
  const hasFailure = (tally & BIT.failure) !== 0;
  switch (rule) {
    case 'all_success':
      if (hasFailure) return 'skip';
      if (isWaiting) return 'wait';
      return hasSkip ? 'skip' : 'run';
    case 'all_done':
    case 'always':
      return isWaiting ? 'wait' : 'run';
    case 'one_success':
      if (hasSuccess) return 'run';
      return isWaiting ? 'wait' : 'skip';
    case 'one_failed':
      if (hasFailure) return 'run';
      return isWaiting ? 'wait' : 'skip';
    case 'none_failed':
      if (hasFailure) return 'skip';
      return isWaiting ? 'wait' : 'run';
    case 'none_failed_min_one_success':
      if (hasFailure) return 'skip';
      if (isWaiting) return 'wait';
      return hasSuccess ? 'run' : 'skip';
    case 'all_failed':
      if (hasSuccess || hasSkip) return 'skip';
      return isWaiting ? 'wait' : 'run';
  }
}

/** Why a rule with the verdict `skip` cannot be met. */
export function reasonOfSkip(
  rule: TriggerRule,
  tally: Tally,
): 'upstream_failed' | 'upstream_skipped' | 'trigger_rule' {
  if (rule === 'one_failed' || rule === 'all_failed') return 'trigger_rule';
  return (tally & BIT.failure) !== 0 ? 'upstream_failed' : 'upstream_skipped';
}
