import type { RetryPolicy } from './definition.ts';
import { DEFAULT_RETRY_ON, LOST_BUDGET } from './definition.ts';
import type { NodeError, Outcome } from './events.ts';
import type { NodeSnapshot } from './state.ts';

/** Whether a policy names what a try ended with, as long as tries are left. */
export function isRetried(
  { retryOn = DEFAULT_RETRY_ON }: Pick<RetryPolicy, 'retryOn'>,
  outcome: Outcome,
  error: NodeError | null,
): boolean {
  return (
    retryOn.includes(outcome) ||
    (outcome !== 'lost' && error !== null && names(error).some((name) => retryOn.includes(name)))
  );
}

function names({ code, class: kind, exitCode }: NodeError): (string | number)[] {
  return [code, ...(kind === undefined ? [] : [kind]), ...(exitCode === undefined ? [] : [exitCode])];
}

/** How many of the tries of its retries a leaf has used up with its attempts so far, the current one included. */
export function triesUsed({
  attempt,
  lostCount,
  releasedCount = 0,
  undeliveredCount = 0,
}: Pick<NodeSnapshot, 'attempt' | 'lostCount' | 'releasedCount' | 'undeliveredCount'>): number {
  return attempt - releasedCount - undeliveredCount - Math.min(lostCount, LOST_BUDGET);
}
