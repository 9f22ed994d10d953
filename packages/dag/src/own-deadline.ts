import type { NodeSnapshot } from './state.ts';

/** Whether it was its deadline that ended a group. Such a one has passed for good, whatever is paused after it. */
export function isPastDeadline({ status, stopReason }: NodeSnapshot): boolean {
  return status === 'cancelling' && stopReason === 'deadline';
}

/** When the deadline of a group passes, epoch ms; never before it has started, nor while its clock stands. */
export function ownDeadlineAt(deadlineMs: number | null | undefined, row: NodeSnapshot): number {
  const { startedAt, pausedAt = null, pausedMs = 0 } = row;
  const isGoing = deadlineMs != null && startedAt !== null && (pausedAt === null || isPastDeadline(row));
  return isGoing ? startedAt + pausedMs + deadlineMs : Number.POSITIVE_INFINITY;
}
