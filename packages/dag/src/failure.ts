import type { Draft, Ending } from './draft.ts';
import type { NodeError } from './events.ts';
import { toleratedFailures } from './expansion.ts';
import type { NodeStatus, TerminalStatus } from './node-status.ts';
import { isTerminal } from './node-status.ts';

/**
 * Carries a failure outward at once, so that the first one in time wins at every level. Ends at the first
 * group that already knows a failure or is being ended, because then all around it do too.
 */
export function noteFailure(draft: Draft, index: number, ending: Ending): void {
  const { status, reason, error, isCutShort } = ending;
  // Neither is a cause: something else failed before, and that has been noted.
  if (status === 'skipped' || isCutShort) return;
  const path = draft.pathOf(index);
  const detail = status === 'cancelled' ? reason : error?.message;
  const own: NodeError = {
    code: status === 'cancelled' ? 'cancelled' : (error?.code ?? status),
    message: `Stage "${path}" ${spoken[status]}${detail ? `: ${detail}` : ''}`,
    path,
    ...(error?.class !== undefined && { class: error.class }),
    ...(error?.label !== undefined && { label: error.label }),
  };
  // What a foreach tolerated at first is known already, and says where it began.
  const carried = draft.isGroup(index) && status === 'failed' && error?.path !== path ? (error ?? own) : own;
  let inside = index;
  for (let group = draft.parentOf(index); group >= 0; group = draft.parentOf(group)) {
    const { status: its, error: known } = draft.row(group);
    if (known !== null || isEnding(its) || isTolerated(draft, group, inside)) return;
    draft.patchRow(group, { error: carried });
    inside = group;
  }
}

/** A foreach that tolerates failures looks at an item when that has ended, not before. */
function isTolerated(draft: Draft, group: number, item: number): boolean {
  const foreach = draft.foreachOf(group);
  if (foreach === null) return false;
  const { items, failures } = draft.book(group);
  const tolerated = toleratedFailures(foreach, items!.count);
  return draft.hasEnded(item) ? failures <= tolerated : tolerated > 0;
}

/** Nothing that happens inside can change any more how it ends. */
export function isEnding(status: NodeStatus): boolean {
  return status === 'cancelling' || isTerminal(status);
}

const spoken: Record<TerminalStatus, string> = {
  completed: 'completed',
  stopped: 'stopped',
  failed: 'failed',
  timed_out: 'timed out',
  cancelled: 'was cancelled',
  skipped: 'was skipped',
};
