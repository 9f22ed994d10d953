import { useVirtualizer } from '@tanstack/react-virtual';
import type { Run } from '@trainyard/protocol';
import { useMemo, useRef } from 'react';
import { EmptyState } from '../design/feedback.tsx';
import { formatAbsolute, formatClock } from '../design/format.ts';
import { ScrollRegion } from '../design/scroll-region.tsx';
import { texts } from '../texts.ts';
import { describeData, eventsOf } from './event-line.tsx';
import { useRunEvents } from './use-run.ts';

const ROW_PX = 30;

/** What happened, newest first, of the selected run and what is inside it. */
export function EventsPanel({ rootId, run }: { rootId: string; run: Run }) {
  const events = useRunEvents(rootId);
  const own = useMemo(() => [...eventsOf(events.items, run)].reverse(), [events, run]);
  const box = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: own.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: 20,
  });
  if (own.length === 0) return <EmptyState title={texts.events.empty} />;
  const items = virtual.getVirtualItems();
  const columns = texts.events.columns;
  const above = items[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <div className="flex h-full w-full min-w-0 flex-col">
      <p className="border-b border-line px-3 py-1.5 text-muted">
        {texts.events.shown(own.length, run.parentId === null ? events.lastSeq : own.length)}
        {run.parentId !== null && ` · ${texts.events.only(run.path)}`} · {texts.events.newestFirst}
      </p>
      <ScrollRegion scrollRef={box} label={texts.events.label} className="min-h-0 flex-1 overflow-auto">
        <table className="table" aria-rowcount={own.length + 1}>
          <caption className="sr-only">{texts.events.label}</caption>
          <thead className="sticky top-0 bg-surface">
            <tr>
              <th scope="col" className="text-right">
                {columns.seq}
              </th>
              <th scope="col">{columns.at}</th>
              <th scope="col">{columns.type}</th>
              <th scope="col">{columns.stage}</th>
              <th scope="col">{columns.data}</th>
            </tr>
          </thead>
          <tbody>
            {above > 0 && <tr style={{ height: above }} />}
            {items.map((item) => {
              const event = own[item.index]!;
              const atMs = Date.parse(event.at);
              const data = describeData(event.data);
              return (
                <tr key={event.seq} aria-rowindex={item.index + 2} className="h-[30px] hover:bg-hover">
                  <td className="py-0! text-right text-muted">{event.seq}</td>
                  <td className="py-0! whitespace-nowrap" title={formatAbsolute(atMs)}>
                    {formatClock(atMs)}
                  </td>
                  <td className="py-0! font-medium whitespace-nowrap">{event.type}</td>
                  <td className="max-w-52 truncate py-0! whitespace-nowrap">
                    {event.path || texts.events.root}
                  </td>
                  <td className="code max-w-0 min-w-40 truncate py-0! text-muted" title={data}>
                    {data}
                  </td>
                </tr>
              );
            })}
            {below > 0 && <tr style={{ height: below }} />}
          </tbody>
        </table>
      </ScrollRegion>
    </div>
  );
}
