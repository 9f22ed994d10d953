import type { OnConflict } from '@trainyard/protocol';

/** A stage or a run that is at work in a concurrency group, or wants to be. */
export interface GroupMember {
  readonly id: string;
  /** `ending`: at work still, and asked to end. */
  readonly state: 'running' | 'ending' | 'waiting';
  readonly limit: number;
  readonly onConflict: OnConflict;
}

export interface Settlement {
  /** May start, in this order. */
  readonly admitted: readonly string[];
  /** Have to end, each with the member in whose favour. */
  readonly cancelled: readonly GroupCancel[];
}

export interface GroupCancel {
  readonly id: string;
  readonly by: string;
  /** `replaced`: what is newer takes its place; `refused`: it came to a full group. */
  readonly why: 'replaced' | 'refused';
}

/**
 * Decides who of a group has to end and who may start, oldest member first.
 *
 * - `cancel_running`: the newest `limit` members remain. Whatever is older, at work or waiting, is cancelled;
 *   the new one starts when what was at work has really ended.
 * - `cancel_newest`: what comes when `limit` are at work is cancelled.
 * - `queue`: what comes waits.
 *
 * @param order `by turn`: members start in their order, so those that wait are in front of those that come;
 *   `by claim`: agents decide who starts, and nobody is admitted here.
 */
export function settleGroup(members: readonly GroupMember[], order: 'by turn' | 'by claim'): Settlement {
  const cancelled = new Map<string, GroupCancel>();
  for (let at = members.length - 1; at >= 0; at -= 1) replaceOlder(members, at, cancelled);
  return { admitted: admit(members, order, cancelled), cancelled: [...cancelled.values()] };
}

/** Cancels what a newcomer replaces, or the newcomer where newer ones have taken all places. */
function replaceOlder(
  members: readonly GroupMember[],
  at: number,
  cancelled: Map<string, GroupCancel>,
): void {
  const newcomer = members[at]!;
  if (!isReplacing(newcomer) || cancelled.has(newcomer.id)) return;
  const remains = (member: GroupMember) => member.state !== 'ending' && !cancelled.has(member.id);
  const newer = members
    .slice(at + 1)
    .filter((member) => remains(member) && (member.state === 'running' || isReplacing(member)));
  const room = newcomer.limit - newer.length;
  if (room <= 0) {
    cancelled.set(newcomer.id, { id: newcomer.id, by: newer.at(-1)!.id, why: 'replaced' });
    return;
  }
  const older = members.slice(0, at).filter(remains);
  for (const member of older.slice(0, Math.max(0, older.length - (room - 1)))) {
    cancelled.set(member.id, { id: member.id, by: newcomer.id, why: 'replaced' });
  }
}

function admit(
  members: readonly GroupMember[],
  order: 'by turn' | 'by claim',
  cancelled: Map<string, GroupCancel>,
): string[] {
  const holders = members.filter(({ state }) => state !== 'waiting').map(({ id }) => id);
  const admitted: string[] = [];
  let ahead: string | undefined;
  for (const member of members) {
    if (member.state !== 'waiting' || cancelled.has(member.id)) continue;
    if (ahead === undefined && holders.length < member.limit) {
      if (order === 'by claim') continue;
      admitted.push(member.id);
      holders.push(member.id);
    } else if (member.onConflict === 'cancel_newest') {
      cancelled.set(member.id, { id: member.id, by: holders[0] ?? ahead!, why: 'refused' });
    } else if (order === 'by turn') {
      ahead ??= member.id;
    }
  }
  return admitted;
}

function isReplacing(member: GroupMember): boolean {
  return member.state === 'waiting' && member.onConflict === 'cancel_running';
}
