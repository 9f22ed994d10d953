import type { GraphLevel, GraphNode } from './graph-model.ts';
import { layoutLayered } from './layout.ts';

/** Fixed sizes in pixels; the stylesheet of the nodes keeps to them. */
export const SIZES = {
  stage: { width: 184, height: 52 },
  group: { width: 204, height: 78 },
  bundle: { width: 180, height: 66 },
  header: 40,
  padding: 14,
  columnGap: 44,
  rowGap: 14,
} as const;

/** A node with its place relative to the group it lies in. Parents come before what is inside them. */
export interface PlacedNode {
  readonly node: GraphNode;
  readonly parentId: string | undefined;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface PlacedEdge {
  readonly id: string;
  readonly from: string;
  readonly to: string;
}

/** Lays out a nested graph from the inside out: an open group is as large as its content. */
export function layoutNested(level: GraphLevel): { nodes: PlacedNode[]; edges: PlacedEdge[] } {
  const nodes: PlacedNode[] = [];
  const edges: PlacedEdge[] = [];
  place(level, undefined, 0, 0, nodes, edges);
  return { nodes, edges };
}

interface Sized {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  readonly inside?: { nodes: PlacedNode[]; edges: PlacedEdge[] };
}

function place(
  level: GraphLevel,
  parentId: string | undefined,
  left: number,
  top: number,
  nodes: PlacedNode[],
  edges: PlacedEdge[],
): { width: number; height: number } {
  const sized = level.nodes.map((node) => sizeOf(node));
  const layout = layoutLayered(sized, level.edges, SIZES);
  level.nodes.forEach((node, i) => {
    const { width, height, inside } = sized[i]!;
    const at = layout.positions.get(node.id)!;
    nodes.push({ node, parentId, x: left + at.x, y: top + at.y, width, height });
    if (inside !== undefined) {
      nodes.push(...inside.nodes);
      edges.push(...inside.edges);
    }
  });
  for (const { from, to } of level.edges) edges.push({ id: `${from}>${to}`, from, to });
  return layout;
}

function sizeOf(node: GraphNode): Sized {
  if (node.kind !== 'group' || node.inside === undefined) return { id: node.id, ...SIZES[node.kind] };
  const nodes: PlacedNode[] = [];
  const edges: PlacedEdge[] = [];
  const { padding, header } = SIZES;
  const size = place(node.inside, node.id, padding, header + padding / 2, nodes, edges);
  return {
    id: node.id,
    width: Math.max(SIZES.group.width, size.width + 2 * padding),
    height: size.height + header + padding * 1.5,
    inside: { nodes, edges },
  };
}
