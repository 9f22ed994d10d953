import './log.css';
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useEffect, useLayoutEffect, useRef, useState, useSyncExternalStore } from 'react';
import { CopyButton } from '../design/copy.tsx';
import { Dialog } from '../design/dialog.tsx';
import { formatBytes, formatClock } from '../design/format.ts';
import { Icon } from '../design/icons.tsx';
import { texts } from '../texts.ts';
import { lastState, styleLine } from './ansi.ts';
import type { LogSession } from './log-session.ts';
import { type LogRow, utf8Length } from './log-window.ts';

export const ROW_PX = 20;
/** Longer lines are cut in the list; the whole one is a click away. */
export const MAX_LINE_CHARS = 4096;
/** So near to the end counts as at the end. */
const AT_END_PX = 24;

/** The lines of a log session: a virtual list of fixed rows that follows the end until one scrolls up. */
export function LogLines({
  session,
  showTime,
  live,
}: {
  session: LogSession;
  showTime: boolean;
  live: boolean;
}) {
  useSyncExternalStore(session.watch, () => session.version);
  const box = useRef<HTMLDivElement>(null);
  const rows = session.window.rows;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: 30,
  });
  const { follow, unseen, toEnd, onScroll } = useFollow(box, session, rows.length);
  const [whole, setWhole] = useState<string>();
  const items = virtual.getVirtualItems();

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={box}
        role="log"
        aria-label={texts.log.label}
        // Reading out every line of a fast log would drown everything else.
        aria-live={live && follow ? 'off' : 'polite'}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: without it the keyboard cannot scroll the log.
        tabIndex={0}
        className="log-box h-full overflow-auto"
        onScroll={onScroll}
      >
        <div className="relative" style={{ height: virtual.getTotalSize() }}>
          <div className="log-rows" style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}>
            {items.map((item) => (
              <Line
                key={rows[item.index]!.offset}
                row={rows[item.index]!}
                showTime={showTime}
                onWhole={setWhole}
              />
            ))}
          </div>
        </div>
      </div>
      {session.olderLoading && (
        <span
          role="status"
          className="absolute top-1 left-1/2 -translate-x-1/2 rounded bg-raised px-2 shadow-float"
        >
          {texts.log.loadOlder}
        </span>
      )}
      {!follow && unseen > 0 && (
        <button
          type="button"
          className="btn btn-primary absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full! shadow-float"
          onClick={toEnd}
        >
          <Icon name="down" size={13} />
          {texts.log.newLines(unseen)}
        </button>
      )}
      {!follow && unseen === 0 && live && (
        <button
          type="button"
          className="btn absolute right-4 bottom-3 rounded-full! shadow-float"
          onClick={toEnd}
        >
          <Icon name="down" size={13} />
          {texts.log.follow}
        </button>
      )}
      <Dialog open={whole !== undefined} title={texts.log.lineTitle} onClose={() => setWhole(undefined)}>
        <div className="max-h-[60vh] overflow-auto">
          <CopyButton text={whole ?? ''} label={texts.common.copy} word={texts.common.copy} />
          <pre className="code break-all whitespace-pre-wrap">{whole?.slice(0, 1_000_000)}</pre>
        </div>
      </Dialog>
    </div>
  );
}

const Line = memo(function Line(props: { row: LogRow; showTime: boolean; onWhole: (text: string) => void }) {
  const { row, showTime, onWhole } = props;
  const text = lastState(row.text);
  const cut = text.length > MAX_LINE_CHARS;
  return (
    <div className="log-row">
      {showTime && <time className="log-time">{row.atMs === undefined ? '' : formatClock(row.atMs)}</time>}
      {styleLine(cut ? text.slice(0, MAX_LINE_CHARS) : text).map((piece, i) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one line have no other identity.
          key={i}
          className={`${piece.bold ? 'font-bold' : ''} ${piece.faint ? 'opacity-70' : ''} ${piece.italic ? 'italic' : ''} ${piece.underline ? 'underline' : ''}`}
          style={{ color: piece.colour, backgroundColor: piece.background }}
        >
          {piece.text}
        </span>
      ))}
      {cut && (
        <button type="button" className="log-cut" onClick={() => onWhole(text)}>
          {texts.log.cut(formatBytes(utf8Length(text)))} · {texts.log.showAll}
        </button>
      )}
    </div>
  );
});

/** Keeps the end in view until the user scrolls up, and the lines in place when others come or go above. */
function useFollow(box: React.RefObject<HTMLDivElement | null>, session: LogSession, count: number) {
  const [follow, setFollow] = useState(true);
  const [seen, setSeen] = useState(0);
  const shift = useRef(session.topShift);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const moved = session.topShift - shift.current;
    shift.current = session.topShift;
    if (follow) element.scrollTop = element.scrollHeight;
    else if (moved !== 0) element.scrollTop += moved * ROW_PX;
  });
  useEffect(() => {
    if (follow) setSeen(session.added);
  });
  // A pane that changes its height must not lose the end.
  useEffect(() => {
    const element = box.current;
    if (element === null || !follow) return;
    const observer = new ResizeObserver(() => {
      element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [follow, box]);

  const lastTop = useRef(0);
  const onScroll = () => {
    const element = box.current;
    if (element === null) return;
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX;
    if (atEnd) setFollow(true);
    else if (element.scrollTop < lastTop.current) setFollow(false);
    lastTop.current = element.scrollTop;
    if (element.scrollTop < 40 * ROW_PX && count > 0) void session.loadOlder();
  };
  const toEnd = () => {
    setFollow(true);
    if (box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  };
  return { follow, unseen: Math.max(0, session.added - seen), toEnd, onScroll };
}
