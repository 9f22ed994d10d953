import type { Run, RunEvent } from '@trainyard/protocol';
import { formatAbsolute, formatClock } from '../design/format.ts';
import { texts } from '../texts.ts';

/** Events of a run and of what is inside it; all of them for the root. */
export function eventsOf(events: readonly RunEvent[], run: Run): readonly RunEvent[] {
  if (run.parentId === null) return events;
  return events.filter(
    (event) => event.runId === run.id || event.path === run.path || event.path.startsWith(`${run.path}/`),
  );
}

/** One event on one line: time, type, stage. */
export function EventLine({ event }: { event: RunEvent }) {
  const atMs = Date.parse(event.at);
  return (
    <li className="flex gap-3 text-[12px]">
      <time className="shrink-0 text-muted" dateTime={event.at} title={formatAbsolute(atMs)}>
        {formatClock(atMs)}
      </time>
      <span className="shrink-0 font-medium">{event.type}</span>
      <span className="truncate text-muted">{event.path || texts.events.root}</span>
    </li>
  );
}

/** An event's data as short `key=value` text; null values are left out. */
export function describeData(data: Readonly<Record<string, unknown>>): string {
  return Object.entries(data)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join('  ');
}
