import { useVirtualizer } from '@tanstack/react-virtual';
import { isTerminalRunStatus, type Run, type StatusCounts } from '@trainyard/protocol';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useNow } from '../design/clock.ts';
import { Icon } from '../design/icons.tsx';
import { ScrollRegion } from '../design/scroll-region.tsx';
import { Status } from '../design/status.tsx';
import { StatusBar } from '../design/status-bar.tsx';
import { Duration } from '../design/time.tsx';
import { waitsForPerson } from '../runs/approval-form.ts';
import type { RunModel } from '../runs/run-model.ts';
import { texts } from '../texts.ts';
import { stageRows } from './stage-rows.ts';
import { TimelineBar, type TimeSpan } from './timeline-bar.tsx';

const ROW_PX = 34;
const HEAD_PX = 32;

/** The stages as a table: everything the graph shows, for the keyboard and for trees of any size. */
export function StageTable(props: {
  model: RunModel;
  counts: ReadonlyMap<string, StatusCounts>;
  selectedId: string | undefined;
  closed: ReadonlySet<string>;
  onToggle: (id: string) => void;
  onSelect: (id: string | undefined) => void;
}) {
  const { model, counts, selectedId, closed, onToggle, onSelect } = props;
  const [filter, setFilter] = useState('');
  const rows = useMemo(() => stageRows(model, closed, filter), [model, closed, filter]);
  const box = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
    // The rows lie below the sticky head, which must not cover the selected one.
    scrollMargin: HEAD_PX,
    scrollPaddingStart: HEAD_PX,
  });
  const selectedRow = rows.findIndex((run) => run.id === selectedId);
  useEffect(() => {
    if (selectedRow >= 0) virtual.scrollToIndex(selectedRow);
  }, [selectedRow, virtual]);
  const span = useSpan(model);
  const items = virtual.getVirtualItems();
  const above = (items[0]?.start ?? HEAD_PX) - HEAD_PX;
  const below = virtual.getTotalSize() - ((items.at(-1)?.end ?? HEAD_PX) - HEAD_PX);

  return (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex items-center gap-2 border-b border-line px-2 py-1.5">
        <input
          type="search"
          data-filter
          className="field w-48 max-sm:w-36"
          placeholder={texts.graph.filter}
          aria-label={texts.graph.filter}
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
        <span className="text-muted max-sm:hidden">
          {texts.graph.stageCount(rows.length, model.order.length - 1)}
        </span>
      </div>
      <ScrollRegion scrollRef={box} label={texts.graph.tableLabel} className="min-h-0 flex-1 overflow-auto">
        <table className="table" aria-rowcount={rows.length + 1}>
          <caption className="sr-only">{texts.graph.tableLabel}</caption>
          <thead className="sticky top-0 z-10 bg-surface">
            <tr>
              <th scope="col">{texts.graph.columns.name}</th>
              <th scope="col">{texts.graph.columns.status}</th>
              <th scope="col" className="w-1/3 max-md:hidden">
                {texts.graph.columns.timeline}
              </th>
              <th scope="col">{texts.graph.columns.duration}</th>
              <th scope="col" className="max-lg:hidden">
                {texts.graph.columns.dependsOn}
              </th>
            </tr>
          </thead>
          <tbody>
            {above > 0 && <Spacer height={above} />}
            {items.map((item) => (
              <Row
                key={rows[item.index]!.id}
                run={rows[item.index]!}
                index={item.index}
                counts={counts.get(rows[item.index]!.id)}
                open={!closed.has(rows[item.index]!.id)}
                selected={item.index === selectedRow}
                span={span}
                onToggle={onToggle}
                onSelect={onSelect}
              />
            ))}
            {below > 0 && <Spacer height={below} />}
          </tbody>
        </table>
        {rows.length === 0 && <p className="p-6 text-center text-muted">{texts.graph.noMatch}</p>}
      </ScrollRegion>
    </div>
  );
}

function Row(props: {
  run: Run;
  index: number;
  counts: StatusCounts | undefined;
  open: boolean;
  selected: boolean;
  span: TimeSpan | undefined;
  onToggle: (id: string) => void;
  onSelect: (id: string | undefined) => void;
}) {
  const { run, index, counts, open, selected, span, onToggle, onSelect } = props;
  return (
    <tr
      aria-rowindex={index + 2}
      aria-current={selected}
      className={`h-[34px] cursor-default ${selected ? 'bg-selected' : 'hover:bg-hover'}`}
      onClick={() => onSelect(run.id)}
    >
      <th scope="row" className="py-0! font-medium">
        <span className="flex items-center gap-1" style={{ paddingLeft: (run.depth - 1) * 18 }}>
          {counts === undefined ? (
            <span className="w-6" />
          ) : (
            <button
              type="button"
              aria-expanded={open}
              aria-label={open ? texts.common.collapse(run.name) : texts.common.expand(run.name)}
              className="grid size-6 shrink-0 place-items-center rounded text-muted hover:bg-line"
              onClick={(event) => {
                event.stopPropagation();
                onToggle(run.id);
              }}
            >
              <Icon name="chevron" size={12} className={open ? 'rotate-90' : ''} />
            </button>
          )}
          <button
            type="button"
            data-run={run.id}
            className="max-w-56 truncate text-left max-sm:max-w-32"
            title={run.path}
          >
            {run.name}
          </button>
        </span>
      </th>
      <td className="py-0!">
        <Status status={run.status} forPerson={waitsForPerson(run)} />
        {counts !== undefined && !open && <StatusBar counts={counts} className="mt-0.5 w-24" />}
      </td>
      <td className="py-0! max-md:hidden">{span && <TimelineBar run={run} span={span} />}</td>
      <td className="py-0! text-right whitespace-nowrap">
        <Duration of={run} />
        {run.attempt > 1 && <span className="ml-1 text-muted">({texts.graph.attempt(run.attempt)})</span>}
      </td>
      <td className="max-w-40 truncate py-0! text-muted max-lg:hidden" title={run.dependsOn.join(', ')}>
        {run.dependsOn.join(', ') || texts.common.none}
      </td>
    </tr>
  );
}

function Spacer({ height }: { height: number }) {
  return (
    <tr style={{ height }}>
      <td colSpan={5} className="border-0! p-0!" />
    </tr>
  );
}

/** From the start of the run to its end, or to now while it lasts. */
function useSpan(model: RunModel): TimeSpan | undefined {
  const root = model.runs.get(model.rootId)!;
  const ticking = root.startedAt !== null && !isTerminalRunStatus(root.status);
  const nowMs = useNow(ticking);
  if (root.startedAt === null) return undefined;
  const startMs = Date.parse(root.startedAt);
  const endMs = root.endedAt === null ? nowMs : Date.parse(root.endedAt);
  return { startMs, endMs: Math.max(endMs, startMs + 1) };
}
