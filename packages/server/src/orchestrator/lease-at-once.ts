import { AGENT_PROTOCOL, type AttemptSpec, newId } from '@trainyard/protocol';
import type { OpenCalls } from '../attempts/open-calls.ts';
import type { NewAttempt, TreeChanges } from './tree-changes.ts';

/**
 * Gives new attempts to calls that wait for just such ones, so that they are stored as claimed and need not
 * be claimed afterwards. Those with limits are left to the claim, which alone may hand them out, and those that
 * want labels or come after a first try, which may be meant for other agents; with them the whole queue, so that none is overtaken.
 */
export function leaseAtOnce(changes: readonly TreeChanges[], calls: OpenCalls, nowMs: number): void {
  if (calls.isEmpty) return;
  const all = changes.flatMap((change) => change.attempts.map((attempt) => ({ change, attempt })));
  const left = all.filter(({ attempt }) => isForClaim(attempt));
  const leftQueues = new Set(left.map(({ attempt }) => attempt.queue));
  for (const { change, attempt } of all.toSorted((a, b) => b.attempt.priority - a.attempt.priority)) {
    if (leftQueues.has(attempt.queue) || isCancelled(change, attempt)) continue;
    const lease = calls.lease(attempt);
    if (lease !== undefined) change.lease(attempt, { attemptId: newId('att', nowMs), ...lease }, nowMs);
  }
}

/** Tells the calls what became of the attempts that were meant for them. */
export function settleLeases(changes: readonly TreeChanges[], areStored: boolean): void {
  for (const { leases } of changes) {
    for (const [attempt, lease] of leases) {
      if (!areStored) {
        lease.settle(undefined);
        continue;
      }
      const spec: AttemptSpec = { ...attempt.spec, attemptId: lease.attemptId };
      const assignment = { spec, token: lease.token, leaseMs: AGENT_PROTOCOL.leaseMs };
      lease.settle({ assignment, node: attempt.node, status: 'leased', isLimited: false });
    }
  }
}

function isForClaim({ limits, labels, number }: NewAttempt): boolean {
  return limits !== null || labels !== null || number > 1;
}

function isCancelled({ cancels }: TreeChanges, { node, number }: NewAttempt): boolean {
  return cancels.some((cancel) => cancel.node === node && cancel.attempt === number);
}
