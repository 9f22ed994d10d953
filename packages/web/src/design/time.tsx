import { isTerminalRunStatus, type RunStatus } from '@trainyard/protocol';
import { texts } from '../texts.ts';
import { useNow } from './clock.ts';
import { formatAbsolute, formatDuration, formatRelative } from './format.ts';

/** A relative time that ticks; the absolute one is shown on hover. */
export function RelativeTime({ at }: { at: string | null }) {
  const nowMs = useNow(at !== null);
  if (at === null) return <span className="text-faint">{texts.common.none}</span>;
  const atMs = Date.parse(at);
  return (
    <time dateTime={at} title={formatAbsolute(atMs)}>
      {formatRelative(atMs, Math.max(nowMs, atMs))}
    </time>
  );
}

export interface Timed {
  readonly status: RunStatus;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

/** Run time of a run or an attempt; ticks until it ends. */
export function Duration({ of }: { of: Timed }) {
  const ticking = of.startedAt !== null && of.endedAt === null && !isTerminalRunStatus(of.status);
  const nowMs = useNow(ticking);
  const ms = durationMs(of, nowMs);
  return ms === undefined ? (
    <span className="text-faint">{texts.common.none}</span>
  ) : (
    <span>{formatDuration(ms)}</span>
  );
}

/** Milliseconds from start to end, or to now; `undefined` for what has not started. */
export function durationMs(of: Pick<Timed, 'startedAt' | 'endedAt'>, nowMs: number): number | undefined {
  if (of.startedAt === null) return undefined;
  const endMs = of.endedAt === null ? nowMs : Date.parse(of.endedAt);
  return Math.max(0, endMs - Date.parse(of.startedAt));
}
