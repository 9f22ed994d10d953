import '@xyflow/react/dist/base.css';
import './flow.css';
import { isSuccessfulRunStatus, isTerminalRunStatus, type StatusCounts } from '@trainyard/protocol';
import { Background, type Edge, ReactFlow, ReactFlowProvider } from '@xyflow/react';
import { useMemo, useRef, useState } from 'react';
import type { RunModel } from '../runs/run-model.ts';
import { texts } from '../texts.ts';
import { buildGraph, type GraphNode } from './graph-model.ts';
import { layoutNested, type PlacedEdge, type PlacedNode } from './nested-layout.ts';
import { type FlowNode, NODE_TYPES, type NodeActions } from './nodes.tsx';
import { Controls, FIT, KeepInView, Refit } from './viewport.tsx';

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
  /** Whether the user has panned or zoomed since the picture was fitted. */
  const moved = useRef(false);
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
        onMove={(event) => {
          // Moves made by the page itself have no event.
          if (event) moved.current = true;
        }}
      >
        <Background gap={18} size={1} color="var(--line)" />
        <Refit shapeKey={shapeKey(shape.nodes)} moved={moved} />
        <KeepInView id={selectedId} />
        <Controls
          moved={moved}
          onAll={model.children.size > 1 ? setAll : undefined}
          note={visible < total ? texts.graph.folded(visible, total) : undefined}
        />
      </ReactFlow>
    </section>
  );
}

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
