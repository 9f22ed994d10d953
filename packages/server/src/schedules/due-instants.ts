import { type CatchUpPolicy, type OverlapPolicy, SCHEDULE_LIMITS } from '@trainyard/protocol';
import type { Occurrences } from './occurrences.ts';

/** What the decision knows of a schedule. */
export interface DueSchedule {
  readonly id: string;
  readonly catchUp: CatchUpPolicy;
  readonly overlap: OverlapPolicy;
  readonly jitterMs: number;
  readonly endAtMs: number | null;
  /** The next instant that nothing has been decided about. */
  readonly nextAtMs: number;
  /** Planned runs that have not ended, waiting ones included. */
  readonly open: number;
  readonly waiting: number;
}

export interface PlannedLaunch {
  readonly atMs: number;
  readonly state: 'waiting' | 'skipped';
  readonly reason: string | null;
}

export interface DueDecision {
  /** Oldest first, at most one per instant. */
  readonly launches: readonly PlannedLaunch[];
  /** After every instant of `launches`; null when nothing follows. */
  readonly nextAtMs: number | null;
}

/**
 * Decides about all instants of a schedule that are due: which are to run, which are left out and why, and
 * which one is next. Reads no clock; the same question gives the same answer.
 */
export function decideDue(schedule: DueSchedule, occurrences: Occurrences, nowMs: number): DueDecision {
  const due = dueInstants(schedule, occurrences, nowMs);
  const last = due.at(-1);
  if (last === undefined) return { launches: [], nextAtMs: schedule.nextAtMs };
  const launches = [
    ...passedOver(schedule, due),
    ...chooseByOverlap(
      schedule,
      due.map((atMs) => judgeCatchUp(schedule, atMs, last, nowMs)),
    ),
  ];
  return { launches, nextAtMs: followingInstant(schedule, occurrences, last) };
}

/** The instant after `atMs` at which a schedule runs. */
export function followingInstant(
  { endAtMs }: Pick<DueSchedule, 'endAtMs'>,
  occurrences: Occurrences,
  atMs: number,
): number | null {
  const next = occurrences.after(atMs);
  return next === null || (endAtMs !== null && next > endAtMs) ? null : next;
}

/** How long after its instant a run starts: always the same for the same instant. */
export function jitterOf({ id, jitterMs }: Pick<DueSchedule, 'id' | 'jitterMs'>, atMs: number): number {
  if (jitterMs === 0) return 0;
  // FNV-1a: spreads evenly, which is all that is asked of it.
  let hash = 0x811c9dc5;
  for (const character of `${id} ${atMs}`) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193) >>> 0;
  return hash % (jitterMs + 1);
}

/** Due instants, oldest first: the newest ones, as many as the limit of catching up allows. */
function dueInstants(schedule: DueSchedule, occurrences: Occurrences, nowMs: number): number[] {
  const { nextAtMs, endAtMs } = schedule;
  const untilMs = endAtMs === null ? nowMs : Math.min(nowMs, endAtMs);
  const found: number[] = [];
  // Most often it is one; only after a long downtime it pays to count back from now.
  for (let atMs: number | null = nextAtMs; atMs !== null && atMs <= untilMs; atMs = occurrences.after(atMs)) {
    // Those behind one that jitter still holds back wait as well: instants are decided in their order.
    if (atMs + jitterOf(schedule, atMs) > nowMs) return found;
    found.push(atMs);
    if (found.length > SCHEDULE_LIMITS.catchUp) {
      // Up to here, or so long ago that no jitter can hold it back any more: the rest is for the next round.
      const surelyMs = Math.max(atMs, Math.min(untilMs, nowMs - schedule.jitterMs));
      return occurrences.newest(SCHEDULE_LIMITS.catchUp, surelyMs).filter((one) => one >= nextAtMs);
    }
  }
  return found;
}

/** One entry for all that are too old to be looked at one by one. */
function passedOver({ nextAtMs }: DueSchedule, due: readonly number[]): PlannedLaunch[] {
  const [first] = due;
  if (first === undefined || first === nextAtMs) return [];
  const until = new Date(first).toISOString();
  const reason = `missed, with all others before ${until}: at most ${SCHEDULE_LIMITS.catchUp} are looked at`;
  return [{ atMs: nextAtMs, state: 'skipped', reason }];
}

function judgeCatchUp(schedule: DueSchedule, atMs: number, lastMs: number, nowMs: number): PlannedLaunch {
  const isMissed = nowMs - (atMs + jitterOf(schedule, atMs)) > SCHEDULE_LIMITS.lateMs;
  const isWanted =
    !isMissed || schedule.catchUp === 'all' || (schedule.catchUp === 'latest' && atMs === lastMs);
  if (isWanted) return { atMs, state: 'waiting', reason: null };
  const reason =
    schedule.catchUp === 'none'
      ? 'missed: no server ran at that time, and the schedule does not catch up'
      : 'missed: no server ran at that time, and only the latest is caught up';
  return { atMs, state: 'skipped', reason };
}

function chooseByOverlap(schedule: DueSchedule, judged: readonly PlannedLaunch[]): PlannedLaunch[] {
  let { open, waiting } = schedule;
  return judged.map((launch) => {
    if (launch.state === 'skipped') return launch;
    if (schedule.overlap === 'skip' && open > 0) {
      return { ...launch, state: 'skipped', reason: 'an earlier run of the schedule had not ended' };
    }
    if (schedule.overlap !== 'cancel_running' && waiting >= SCHEDULE_LIMITS.queue) {
      return {
        ...launch,
        state: 'skipped',
        reason: `${SCHEDULE_LIMITS.queue} runs of the schedule wait already`,
      };
    }
    open += 1;
    waiting += 1;
    return launch;
  });
}
