import '@xyflow/react/dist/base.css';
import './flow.css';
import { isSuccessfulRunStatus, isTerminalRunStatus, type StatusCounts } from '@trainyard/protocol';
import {
  Background,
  type Edge,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  useStoreApi,
} from '@xyflow/react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { Icon } from '../design/icons.tsx';
import type { RunModel } from '../runs/run-model.ts';
import { texts } from '../texts.ts';
import { buildGraph, type GraphNode } from './graph-model.ts';
import { layoutNested, type PlacedEdge, type PlacedNode } from './nested-layout.ts';
import { type FlowNode, NODE_TYPES, type NodeActions } from './nodes.tsx';

interface DagViewProps {
  readonly model: RunModel;
  readonly counts: ReadonlyMap<string, StatusCounts>;
  readonly selectedId: string | undefined;
  readonly onSelect: (id: string | undefined) => void;
}

/** The nested graph of a run, drawn whole from the definition, with live statuses. */
export default function DagView(props: DagViewProps) {
  return (
    <ReactFlowProvider>
      <Flow {...props} />
    </ReactFlowProvider>
  );
}

function Flow({ model, counts, selectedId, onSelect }: DagViewProps) {
  const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map());
  const { level, visible } = useStickyGraph(model, counts, selectedId, toggled);
  const actions = useMemo<NodeActions>(
    () => ({
      select: (id) => onSelect(id),
      toggle: (id, open) => setToggled((now) => new Map(now).set(id, open)),
    }),
    [onSelect],
  );
  const shape = useMemo(() => layoutNested(level), [level]);
  const nodes = useFlowNodes(shape.nodes, model, counts, selectedId, actions);
  const edges = useMemo(() => shape.edges.map((edge) => toEdge(edge, model)), [shape, model]);
  const total = model.order.length - 1;
  const setAll = (open: boolean) =>
    setToggled(
      new Map([...model.children.keys()].filter((id) => id !== model.rootId).map((id) => [id, open])),
    );

  return (
    <section aria-label={texts.graph.label} className="relative h-full w-full" data-testid="dag">
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODE_TYPES}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        zoomOnDoubleClick={false}
        minZoom={0.05}
        maxZoom={1.6}
        fitView
        fitViewOptions={FIT}
        onPaneClick={() => onSelect(undefined)}
      >
        <Background gap={18} size={1} color="var(--line)" />
        <Refit shapeKey={shapeKey(shape.nodes)} />
        <KeepInView id={selectedId} />
        <Controls
          onAll={model.children.size > 1 ? setAll : undefined}
          note={visible < total ? texts.graph.folded(visible, total) : undefined}
        />
      </ReactFlow>
    </section>
  );
}

/** Room for the switch above and the controls below. */
const FIT = {
  padding: { top: '44px', bottom: '52px', left: '20px', right: '20px' },
  maxZoom: 1.1,
  minZoom: 0.25,
} as const;

/** A group that opened by itself stays open on this page: what one looks at must not fold away. */
function useStickyGraph(
  model: RunModel,
  counts: ReadonlyMap<string, StatusCounts>,
  selectedId: string | undefined,
  toggled: ReadonlyMap<string, boolean>,
) {
  const opened = useRef<Set<string>>(new Set());
  return useMemo(() => {
    const sticky = new Map([...opened.current].map((id) => [id, true] as const));
    const graph = buildGraph(model, { toggled: new Map([...sticky, ...toggled]), selectedId, counts });
    opened.current = new Set(openGroups(graph.level.nodes));
    return graph;
  }, [model, counts, selectedId, toggled]);
}

function openGroups(nodes: readonly GraphNode[]): string[] {
  return nodes.flatMap((node) =>
    node.kind === 'group' && node.inside !== undefined ? [node.id, ...openGroups(node.inside.nodes)] : [],
  );
}

/** Flow nodes; one whose run, place and selection are the same stays the same object and is not drawn again. */
function useFlowNodes(
  placed: readonly PlacedNode[],
  model: RunModel,
  counts: ReadonlyMap<string, StatusCounts>,
  selectedId: string | undefined,
  actions: NodeActions,
): FlowNode[] {
  const before = useRef(new Map<string, FlowNode>());
  return useMemo(() => {
    const next = new Map<string, FlowNode>();
    for (const entry of placed) {
      const fresh = toFlowNode(entry, model, counts, selectedId, actions);
      const old = before.current.get(fresh.id);
      next.set(fresh.id, old !== undefined && sameNode(old, fresh) ? old : fresh);
    }
    before.current = next;
    return [...next.values()];
  }, [placed, model, counts, selectedId, actions]);
}

function toFlowNode(
  entry: PlacedNode,
  model: RunModel,
  counts: ReadonlyMap<string, StatusCounts>,
  selectedId: string | undefined,
  actions: NodeActions,
): FlowNode {
  const { node, parentId, x, y, width, height } = entry;
  const base = {
    id: node.id,
    position: { x, y },
    width,
    height,
    ...(parentId === undefined ? {} : { parentId }),
  };
  const selected = node.id === selectedId;
  if (node.kind === 'stage') return { ...base, type: 'stage', data: { actions, selected, run: node.run } };
  if (node.kind === 'group') {
    const own = counts.get(node.id) ?? {};
    const total = model.children.get(node.id)?.length ?? 0;
    const open = node.inside !== undefined;
    return { ...base, type: 'group', data: { actions, selected, run: node.run, counts: own, total, open } };
  }
  const own = countOf(node.ids, model, counts);
  return { ...base, type: 'bundle', data: { actions, selected, counts: own, total: node.ids.length } };
}

function countOf(
  ids: readonly string[],
  model: RunModel,
  counts: ReadonlyMap<string, StatusCounts>,
): StatusCounts {
  const sum: Record<string, number> = {};
  for (const id of ids) {
    const run = model.runs.get(id)!;
    for (const [status, n] of Object.entries(counts.get(id) ?? { [run.status]: 1 })) {
      sum[status] = (sum[status] ?? 0) + n;
    }
  }
  return sum;
}

function sameNode(a: FlowNode, b: FlowNode): boolean {
  return (
    a.position.x === b.position.x &&
    a.position.y === b.position.y &&
    a.width === b.width &&
    a.height === b.height &&
    a.parentId === b.parentId &&
    Object.entries(b.data).every(([key, value]) => a.data[key as keyof typeof a.data] === value)
  );
}

function toEdge(edge: PlacedEdge, model: RunModel): Edge {
  const from = model.runs.get(edge.from)?.status;
  const to = model.runs.get(edge.to)?.status;
  let className = '';
  if (to === 'skipped') className = 'edge-faint';
  else if (to !== undefined && !isTerminalRunStatus(to) && to !== 'pending') className = 'edge-active';
  else if (from !== undefined && isSuccessfulRunStatus(from)) className = 'edge-done';
  // An edge lies above the background of the group it is in, and below the nodes in it.
  return { id: edge.id, source: edge.from, target: edge.to, className, zIndex: edge.depth };
}

function shapeKey(nodes: readonly PlacedNode[]): string {
  return nodes.map((entry) => entry.node.id).join();
}

/** Fits the picture again when nodes come or go, unless the user has moved it. */
function Refit({ shapeKey: key }: { shapeKey: string }) {
  const { fitView } = useReactFlow();
  const first = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is what changes.
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    const frame = requestAnimationFrame(() => void fitView({ ...FIT, duration: 200 }));
    return () => cancelAnimationFrame(frame);
  }, [key, fitView]);
  return null;
}

/** Moves a selection that came from the keyboard or from the table into view. */
function KeepInView({ id }: { id: string | undefined }) {
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

function Controls(props: { onAll: ((open: boolean) => void) | undefined; note: string | undefined }) {
  const { zoomIn, zoomOut, fitView } = useReactFlow();
  const { onAll, note } = props;
  return (
    <div className="absolute bottom-2 left-2 z-10 flex max-w-[calc(100%-16px)] flex-wrap items-center gap-1">
      <div className="card flex shadow-float">
        <IconButton label={texts.graph.zoomIn} icon="plus" onClick={() => void zoomIn()} />
        <IconButton label={texts.graph.zoomOut} icon="minus" onClick={() => void zoomOut()} />
        <IconButton label={texts.graph.fit} icon="fit" onClick={() => void fitView(FIT)} />
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
