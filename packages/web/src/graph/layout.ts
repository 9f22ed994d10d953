export interface LayoutNode {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}
export interface LayoutEdge {
  readonly from: string;
  readonly to: string;
}
export interface LayoutOptions {
  /** Room between columns and between the nodes of a column, in pixels. */
  readonly columnGap: number;
  readonly rowGap: number;
}
export interface Layout {
  /** Upper left corner of each node; the layout as a whole begins at 0, 0. */
  readonly positions: ReadonlyMap<string, { readonly x: number; readonly y: number }>;
  readonly width: number;
  readonly height: number;
}

const SWEEPS = 4;

/**
 * Layered layout from left to right (after Sugiyama, Tagawa, Toda 1981): columns by longest path, order
 * inside a column by barycentre sweeps, then heights that pull each node towards its neighbours. Edges
 * that would close a cycle are ignored; edges to unknown nodes too. Takes O(sweeps x (nodes log + edges)).
 */
export function layoutLayered(
  nodes: readonly LayoutNode[],
  edges: readonly LayoutEdge[],
  options: LayoutOptions,
): Layout {
  const graph = index(nodes, edges);
  const layers = toLayers(rank(graph), nodes.length);
  order(layers, graph);
  return place(layers, graph, nodes, options);
}

/** Column of each node: one more than the last column among the nodes it depends on. */
export function longestPathRanks(
  nodes: readonly { readonly id: string }[],
  edges: readonly LayoutEdge[],
): ReadonlyMap<string, number> {
  const ranks = rank(index(nodes, edges));
  return new Map(nodes.map((node, i) => [node.id, ranks[i]!]));
}

/**
 * The edges that are not implied by others: `a to c` is left out where `a to b` and `b to c` lead there too.
 * What runs when stays the same, and no long line crosses the nodes between. Takes O(nodes x edges), so it
 * is for what is drawn, not for whole trees.
 */
export function withoutImplied(
  nodes: readonly { readonly id: string }[],
  edges: readonly LayoutEdge[],
): LayoutEdge[] {
  const graph = index(nodes, edges);
  const ranks = rank(graph);
  const at = new Map(nodes.map((node, i) => [node.id, i]));
  return edges.filter((edge) => {
    const from = at.get(edge.from);
    const to = at.get(edge.to);
    return from !== undefined && to !== undefined && !hasDetour(graph, ranks, from, to);
  });
}

function hasDetour(graph: Graph, ranks: Int32Array, from: number, to: number): boolean {
  const seen = new Set<number>();
  const stack = graph.after[from]!.filter((next) => next !== to);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node === to) return true;
    // Ranks grow along every edge: what stands as far right as the end cannot lead to it.
    if (seen.has(node) || ranks[node]! >= ranks[to]!) continue;
    seen.add(node);
    stack.push(...graph.after[node]!);
  }
  return false;
}

interface Graph {
  readonly count: number;
  /** Neighbours by index: what a node depends on, and what depends on it. */
  readonly before: readonly number[][];
  readonly after: readonly number[][];
}

function index(nodes: readonly { readonly id: string }[], edges: readonly LayoutEdge[]): Graph {
  const at = new Map(nodes.map((node, i) => [node.id, i]));
  const before: number[][] = nodes.map(() => []);
  const after: number[][] = nodes.map(() => []);
  for (const edge of edges) {
    const from = at.get(edge.from);
    const to = at.get(edge.to);
    if (from === undefined || to === undefined || from === to) continue;
    after[from]!.push(to);
    before[to]!.push(from);
  }
  return { count: nodes.length, before, after };
}

function rank(graph: Graph): Int32Array {
  const ranks = new Int32Array(graph.count);
  const missing = Int32Array.from(graph.before, (list) => list.length);
  const ready: number[] = [];
  for (let i = 0; i < graph.count; i += 1) if (missing[i] === 0) ready.push(i);
  for (let head = 0; head < ready.length; head += 1) {
    const node = ready[head]!;
    for (const next of graph.after[node]!) {
      ranks[next] = Math.max(ranks[next]!, ranks[node]! + 1);
      missing[next]! -= 1;
      if (missing[next] === 0) ready.push(next);
    }
  }
  return ranks;
}

function toLayers(ranks: Int32Array, count: number): number[][] {
  const layers: number[][] = [];
  for (let i = 0; i < count; i += 1) {
    const layer = layers[ranks[i]!];
    if (layer === undefined) layers[ranks[i]!] = [i];
    else layer.push(i);
  }
  // Nodes on a cycle may leave a column empty.
  return layers.filter((layer) => layer !== undefined);
}

function order(layers: number[][], graph: Graph): void {
  const position = new Float64Array(graph.count);
  const key = new Float64Array(graph.count);
  for (const layer of layers) spreadEvenly(layer, position);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const forward = sweep % 2 === 0;
    const neighbours = forward ? graph.before : graph.after;
    for (let step = 1; step < layers.length; step += 1) {
      const layer = layers[forward ? step : layers.length - 1 - step]!;
      for (const node of layer) key[node] = barycentre(neighbours[node]!, position, position[node]!);
      layer.sort((a, b) => key[a]! - key[b]! || position[a]! - position[b]!);
      spreadEvenly(layer, position);
    }
  }
}

function spreadEvenly(layer: readonly number[], position: Float64Array): void {
  layer.forEach((node, i) => {
    position[node] = i / layer.length;
  });
}

function barycentre(neighbours: readonly number[], position: Float64Array, own: number): number {
  if (neighbours.length === 0) return own;
  let sum = 0;
  for (const other of neighbours) sum += position[other]!;
  return sum / neighbours.length;
}

function place(
  layers: readonly number[][],
  graph: Graph,
  nodes: readonly LayoutNode[],
  options: LayoutOptions,
): Layout {
  const xs = new Float64Array(graph.count);
  const centres = new Float64Array(graph.count);
  let x = 0;
  for (const layer of layers) {
    let width = 0;
    let y = 0;
    for (const node of layer) {
      xs[node] = x;
      centres[node] = y + nodes[node]!.height / 2;
      y += nodes[node]!.height + options.rowGap;
      width = Math.max(width, nodes[node]!.width);
    }
    for (const node of layer) centres[node]! -= (y - options.rowGap) / 2;
    x += width + options.columnGap;
  }
  align(layers, graph, nodes, centres, options.rowGap);
  return collect(nodes, xs, centres);
}

/** Pulls nodes to the mean height of their neighbours, columns forth and back, without overlaps. */
function align(
  layers: readonly number[][],
  graph: Graph,
  nodes: readonly LayoutNode[],
  centres: Float64Array,
  gap: number,
): void {
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const forward = sweep % 2 === 0;
    for (let step = 0; step < layers.length; step += 1) {
      const layer = layers[forward ? step : layers.length - 1 - step]!;
      const neighbours = forward ? graph.before : graph.after;
      const wanted = layer.map((node) => barycentre(neighbours[node]!, centres, centres[node]!));
      spread(layer, wanted, nodes, centres, gap);
    }
  }
}

interface Block {
  first: number;
  /** Mean of the wanted centres, each less its distance from the block's first centre. */
  anchor: number;
  weight: number;
}

/**
 * Heights of one column as close as possible to the wanted ones, in order and without overlaps: pool
 * adjacent violators, the exact least-squares answer in linear time.
 */
function spread(
  layer: readonly number[],
  wanted: readonly number[],
  nodes: readonly LayoutNode[],
  centres: Float64Array,
  gap: number,
): void {
  const offsets = new Float64Array(layer.length);
  for (let i = 1; i < layer.length; i += 1) {
    const distance = (nodes[layer[i - 1]!]!.height + nodes[layer[i]!]!.height) / 2 + gap;
    offsets[i] = offsets[i - 1]! + distance;
  }
  const blocks: Block[] = [];
  for (let i = 0; i < layer.length; i += 1) {
    let block: Block = { first: i, anchor: wanted[i]! - offsets[i]!, weight: 1 };
    for (let last = blocks.at(-1); last !== undefined && last.anchor > block.anchor; last = blocks.at(-1)) {
      const weight = last.weight + block.weight;
      const anchor = (last.anchor * last.weight + block.anchor * block.weight) / weight;
      block = { first: last.first, anchor, weight };
      blocks.pop();
    }
    blocks.push(block);
  }
  blocks.forEach((block, b) => {
    const end = blocks[b + 1]?.first ?? layer.length;
    for (let i = block.first; i < end; i += 1) centres[layer[i]!] = block.anchor + offsets[i]!;
  });
}

function collect(nodes: readonly LayoutNode[], xs: Float64Array, centres: Float64Array): Layout {
  let top = Number.POSITIVE_INFINITY;
  let bottom = 0;
  let width = 0;
  nodes.forEach((node, i) => {
    top = Math.min(top, centres[i]! - node.height / 2);
    width = Math.max(width, xs[i]! + node.width);
  });
  if (nodes.length === 0) top = 0;
  const positions = new Map<string, { x: number; y: number }>();
  nodes.forEach((node, i) => {
    const y = Math.round(centres[i]! - node.height / 2 - top);
    positions.set(node.id, { x: xs[i]!, y });
    bottom = Math.max(bottom, y + node.height);
  });
  return { positions, width, height: bottom };
}
