import { type KeyboardEvent, type PointerEvent, type ReactNode, useRef, useState } from 'react';
import { readStored, writeStored } from './stored.ts';

const MIN = 0.2;
const MAX = 0.8;
const STEP = 0.03;

/**
 * Two panes with a divider that is moved by pointer or by arrow keys; the ratio survives a reload.
 * `direction` is how the panes lie: side by side ("row") or one above the other ("column").
 */
export function Split(props: {
  direction: 'row' | 'column';
  storageKey: string;
  initial: number;
  label: string;
  first: ReactNode;
  second: ReactNode;
}) {
  const { direction, storageKey, initial, label, first, second } = props;
  const box = useRef<HTMLDivElement>(null);
  const [ratio, setRatio] = useState(() => clamp(Number(readStored(storageKey)) || initial));
  const row = direction === 'row';

  const move = (next: number) => {
    setRatio(clamp(next));
    writeStored(storageKey, String(clamp(next)));
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId) || box.current === null) return;
    const rect = box.current.getBoundingClientRect();
    move(row ? (event.clientX - rect.left) / rect.width : (event.clientY - rect.top) / rect.height);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const back = row ? 'ArrowLeft' : 'ArrowUp';
    const forth = row ? 'ArrowRight' : 'ArrowDown';
    if (event.key !== back && event.key !== forth) return;
    event.preventDefault();
    move(ratio + (event.key === forth ? STEP : -STEP));
  };

  return (
    <div ref={box} className={`flex min-h-0 min-w-0 flex-1 ${row ? 'flex-row' : 'flex-col'}`}>
      <div className="flex min-h-0 min-w-0" style={{ flex: `${ratio} 1 0` }}>
        {first}
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: a movable separator is a widget, which hr is not. */}
      <div
        role="separator"
        tabIndex={0}
        aria-label={label}
        aria-orientation={row ? 'vertical' : 'horizontal'}
        aria-valuemin={MIN * 100}
        aria-valuemax={MAX * 100}
        aria-valuenow={Math.round(ratio * 100)}
        className={`group relative shrink-0 touch-none ${row ? 'w-2 cursor-col-resize' : 'h-2 cursor-row-resize'}`}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={onPointerMove}
        onKeyDown={onKeyDown}
        onDoubleClick={() => move(initial)}
      >
        <span
          className={`absolute rounded-full bg-transparent transition-colors group-hover:bg-line-strong group-active:bg-accent ${
            row ? 'inset-y-0 left-[3px] w-0.5' : 'inset-x-0 top-[3px] h-0.5'
          }`}
        />
      </div>
      <div className="flex min-h-0 min-w-0" style={{ flex: `${1 - ratio} 1 0` }}>
        {second}
      </div>
    </div>
  );
}

function clamp(ratio: number): number {
  return Math.min(MAX, Math.max(MIN, ratio));
}
