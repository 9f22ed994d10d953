import { RUN_STATUSES, type RunStatus, type StatusCounts } from '@trainyard/protocol';
import { texts } from '../texts.ts';
import { StatusIcon } from './status.tsx';

/** Order in the bar: what has ended first, what has not begun last, as a progress bar reads. */
const ORDER: readonly RunStatus[] = [
  'completed',
  'stopped',
  'failed',
  'timed_out',
  'cancelled',
  'skipped',
  'cancelling',
  'running',
  'starting',
  'paused',
  'waiting',
  'queued',
  'pending',
];

/** How many stages are in which status, as one bar of proportional segments. */
export function StatusBar({ counts, className = '' }: { counts: StatusCounts; className?: string }) {
  const total = countAll(counts);
  const parts = ORDER.filter((status) => (counts[status] ?? 0) > 0);
  return (
    <span
      role="img"
      aria-label={total === 0 ? texts.runs.noStages : texts.runs.stagesLabel(describeCounts(counts))}
      title={describeCounts(counts)}
      className={`flex h-1.5 gap-px overflow-hidden rounded-full bg-sunken ${className}`}
    >
      {parts.map((status) => (
        <span
          key={status}
          className={`st-${status} ${isFaint(status) ? 'bg-(--st)/25' : 'bg-(--st)'}`}
          style={{ flexGrow: counts[status] }}
        />
      ))}
    </span>
  );
}

/** The same counts as icons with numbers. */
export function StatusCountList({ counts }: { counts: StatusCounts }) {
  return (
    <span className="inline-flex flex-wrap items-center gap-x-2 gap-y-0.5">
      {ORDER.filter((status) => (counts[status] ?? 0) > 0).map((status) => (
        <span key={status} className="inline-flex items-center gap-1">
          <StatusIcon status={status} size={13} />
          {counts[status]}
        </span>
      ))}
    </span>
  );
}

export function countAll(counts: StatusCounts): number {
  return RUN_STATUSES.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
}

function describeCounts(counts: StatusCounts): string {
  return ORDER.filter((status) => (counts[status] ?? 0) > 0)
    .map((status) => `${counts[status]} ${texts.status[status].toLowerCase()}`)
    .join(', ');
}

function isFaint(status: RunStatus): boolean {
  return status === 'pending' || status === 'queued' || status === 'skipped';
}
