import { useReactFlow, useStore, useStoreApi } from '@xyflow/react';
import { type RefObject, useEffect, useRef } from 'react';
import { Icon } from '../design/icons.tsx';
import { texts } from '../texts.ts';

/** Room for the switch above and the controls below. */
export const FIT = {
  padding: { top: '44px', bottom: '52px', left: '20px', right: '20px' },
  maxZoom: 1.1,
  minZoom: 0.25,
} as const;

/** Fits the picture again when nodes come or go, and in a new size unless the user has moved it. */
export function Refit({ shapeKey: key, moved }: { shapeKey: string; moved: RefObject<boolean> }) {
  const { fitView } = useReactFlow();
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  const first = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is what changes.
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    const frame = requestAnimationFrame(() => {
      moved.current = false;
      void fitView({ ...FIT, duration: 200 });
    });
    return () => cancelAnimationFrame(frame);
  }, [key, fitView, moved]);
  useEffect(() => {
    // Without a size there is nothing to fit into: the graph is not shown.
    if (width === 0 || height === 0 || moved.current) return;
    const frame = requestAnimationFrame(() => void fitView(FIT));
    return () => cancelAnimationFrame(frame);
  }, [width, height, fitView, moved]);
  return null;
}

/** Moves a selection that came from the keyboard or from the table into view. */
export function KeepInView({ id }: { id: string | undefined }) {
  const { getInternalNode, setCenter, getViewport } = useReactFlow();
  const box = useStoreApi().getState().domNode;
  useEffect(() => {
    const node = id === undefined ? undefined : getInternalNode(id);
    if (node === undefined || box === null) return;
    const { x, y, zoom } = getViewport();
    const at = node.internals.positionAbsolute;
    const width = node.width ?? 0;
    const height = node.height ?? 0;
    const left = at.x * zoom + x;
    const top = at.y * zoom + y;
    const inside =
      left >= 0 &&
      top >= 0 &&
      left + width * zoom <= box.clientWidth &&
      top + height * zoom <= box.clientHeight;
    if (!inside) void setCenter(at.x + width / 2, at.y + height / 2, { zoom, duration: 200 });
  }, [id, box, getInternalNode, setCenter, getViewport]);
  return null;
}

/** Buttons to zoom, to fit and to open or close all groups. */
export function Controls(props: {
  moved: RefObject<boolean>;
  onAll: ((open: boolean) => void) | undefined;
  note: string | undefined;
}) {
  const { zoomIn, zoomOut, fitView } = useReactFlow();
  const { moved, onAll, note } = props;
  const zoom = (step: () => Promise<boolean>) => {
    moved.current = true;
    void step();
  };
  const fit = () => {
    moved.current = false;
    void fitView(FIT);
  };
  return (
    <div className="absolute bottom-2 left-2 z-10 flex max-w-[calc(100%-16px)] flex-wrap items-center gap-1">
      <div className="card flex shadow-float">
        <IconButton label={texts.graph.zoomIn} icon="plus" onClick={() => zoom(zoomIn)} />
        <IconButton label={texts.graph.zoomOut} icon="minus" onClick={() => zoom(zoomOut)} />
        <IconButton label={texts.graph.fit} icon="fit" onClick={fit} />
      </div>
      {onAll !== undefined && (
        <div className="card flex shadow-float">
          <button type="button" className="btn btn-quiet" onClick={() => onAll(true)}>
            {texts.graph.openAll}
          </button>
          <button type="button" className="btn btn-quiet" onClick={() => onAll(false)}>
            {texts.graph.closeAll}
          </button>
        </div>
      )}
      {note !== undefined && <span className="rounded bg-surface px-1.5 text-muted">{note}</span>}
    </div>
  );
}

function IconButton(props: { label: string; icon: 'plus' | 'minus' | 'fit'; onClick: () => void }) {
  const { label, icon, onClick } = props;
  return (
    <button
      type="button"
      className="btn btn-quiet btn-icon"
      aria-label={label}
      title={label}
      onClick={onClick}
    >
      <Icon name={icon} size={14} />
    </button>
  );
}
