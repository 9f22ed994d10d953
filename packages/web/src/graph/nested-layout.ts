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
  /** How many open groups the edge lies in. */
  readonly depth: number;
}

/** Lays out a nested graph from the inside out: an open group is as large as its content. */
export function layoutNested(level: GraphLevel): { nodes: PlacedNode[]; edges: PlacedEdge[] } {
  const nodes: PlacedNode[] = [];
  const edges: PlacedEdge[] = [];
  place(level, { id: undefined, depth: 0, left: 0, top: 0 }, nodes, edges);
  return { nodes, edges };
}

interface Sized {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  readonly inside?: { nodes: PlacedNode[]; edges: PlacedEdge[] };
}

interface Parent {
  readonly id: string | undefined;
  readonly depth: number;
  /** Where the nodes inside begin. */
  readonly left: number;
  readonly top: number;
}

function place(
  level: GraphLevel,
  parent: Parent,
  nodes: PlacedNode[],
  edges: PlacedEdge[],
): { width: number; height: number } {
  const sized = level.nodes.map((node) => sizeOf(node, parent.depth));
  const layout = layoutLayered(sized, level.edges, SIZES);
  level.nodes.forEach((node, i) => {
    const { width, height, inside } = sized[i]!;
    const at = layout.positions.get(node.id)!;
    nodes.push({ node, parentId: parent.id, x: parent.left + at.x, y: parent.top + at.y, width, height });
    if (inside !== undefined) {
      nodes.push(...inside.nodes);
      edges.push(...inside.edges);
    }
  });
  for (const { from, to } of level.edges) edges.push({ id: `${from}>${to}`, from, to, depth: parent.depth });
  return layout;
}

function sizeOf(node: GraphNode, depth: number): Sized {
  if (node.kind !== 'group' || node.inside === undefined) return { id: node.id, ...SIZES[node.kind] };
  const nodes: PlacedNode[] = [];
  const edges: PlacedEdge[] = [];
  const { padding, header } = SIZES;
  const parent = { id: node.id, depth: depth + 1, left: padding, top: header + padding / 2 };
  const size = place(node.inside, parent, nodes, edges);
  return {
    id: node.id,
    width: Math.max(SIZES.group.width, size.width + 2 * padding),
    height: size.height + header + padding * 1.5,
    inside: { nodes, edges },
  };
}
