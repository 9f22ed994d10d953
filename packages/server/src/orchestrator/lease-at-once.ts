import { AGENT_PROTOCOL, type AttemptSpec, newId } from '@trainyard/protocol';
import type { OpenCalls } from '../attempts/open-calls.ts';
import type { LiveBus } from '../live/live-bus.ts';
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
    if (leftQueues.has(attempt.queue) || isHeldBack(change, attempt)) continue;
    const lease = calls.lease(attempt);
    if (lease !== undefined) change.lease(attempt, { attemptId: newId('att', nowMs), ...lease }, nowMs);
  }
}

/**
 * Tells the calls what became of the attempts that were meant for them. If these were not stored, what was known of
 * the calls may be wrong: they look again.
 */
export function settleLeases(changes: readonly TreeChanges[], areStored: boolean, bus: LiveBus): void {
  for (const { leases } of changes) {
    for (const [attempt, lease] of leases) {
      if (!areStored) {
        lease.settle(undefined);
        continue;
      }
      const spec: AttemptSpec = { ...attempt.spec, attemptId: lease.attemptId };
      const assignment = { spec, token: lease.token, leaseMs: AGENT_PROTOCOL.leaseMs };
      lease.settle({ assignment, node: attempt.node, status: 'leased', isLimited: false, claim: undefined });
    }
  }
  if (!areStored && changes.some(({ leases }) => leases.size > 0)) bus.emit('work');
}

function isForClaim({ limits, labels, number }: NewAttempt): boolean {
  return limits !== null || labels !== null || number > 1;
}

/** To be cancelled or paused: the statements for that find it in the queue. */
function isHeldBack({ cancels, pauses }: TreeChanges, { node, number }: NewAttempt): boolean {
  return [...cancels, ...pauses].some((each) => each.node === node && each.attempt === number);
}
