import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type LayoutEdge,
  type LayoutNode,
  layoutLayered,
  longestPathRanks,
  withoutImplied,
} from './layout.ts';

const GAPS = { columnGap: 40, rowGap: 10 };

/** Random acyclic graphs: an edge always goes from a lower to a higher number. */
const graphs = fc.integer({ min: 2, max: 60 }).chain((count) =>
  fc.record({
    nodes: fc.constant(
      Array.from({ length: count }, (_, i) => ({
        id: `n${i}`,
        width: 50 + (i % 5) * 30,
        height: 20 + (i % 7) * 15,
      })),
    ),
    edges: fc.array(
      fc
        .tuple(fc.nat(count - 1), fc.nat(count - 1))
        .filter(([a, b]) => a !== b)
        .map(([a, b]) => ({ from: `n${Math.min(a, b)}`, to: `n${Math.max(a, b)}` })),
      { maxLength: 120 },
    ),
  }),
);

test('no two nodes overlap', () => {
  fc.assert(
    fc.property(graphs, ({ nodes, edges }) => {
      expect(overlaps(nodes, edges)).toEqual([]);
    }),
  );
});

test('every edge goes from left to right', () => {
  fc.assert(
    fc.property(graphs, ({ nodes, edges }) => {
      const { positions } = layoutLayered(nodes, edges, GAPS);
      const width = new Map(nodes.map((node) => [node.id, node.width]));
      for (const { from, to } of edges) {
        expect(positions.get(to)!.x).toBeGreaterThan(positions.get(from)!.x + width.get(from)!);
      }
    }),
  );
});

test('every node lies within the size that is answered', () => {
  fc.assert(
    fc.property(graphs, ({ nodes, edges }) => {
      const layout = layoutLayered(nodes, edges, GAPS);
      for (const node of nodes) {
        const at = layout.positions.get(node.id)!;
        expect(at.x).toBeGreaterThanOrEqual(0);
        expect(at.y).toBeGreaterThanOrEqual(0);
        expect(at.x + node.width).toBeLessThanOrEqual(layout.width);
        expect(at.y + node.height).toBeLessThanOrEqual(layout.height);
      }
    }),
  );
});

test('the layout is the same every time', () => {
  fc.assert(
    fc.property(graphs, ({ nodes, edges }) => {
      expect(layoutLayered(nodes, edges, GAPS)).toEqual(layoutLayered(nodes, edges, GAPS));
    }),
  );
});

test('a chain is a straight line', () => {
  const nodes = ['a', 'b', 'c'].map((id) => ({ id, width: 100, height: 40 }));
  const edges = [
    { from: 'a', to: 'b' },
    { from: 'b', to: 'c' },
  ];
  const { positions } = layoutLayered(nodes, edges, GAPS);
  expect([...positions.values()]).toEqual([
    { x: 0, y: 0 },
    { x: 140, y: 0 },
    { x: 280, y: 0 },
  ]);
});

test('a node stands one column behind the last node it depends on', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((id) => ({ id }));
  const edges = [
    { from: 'a', to: 'b' },
    { from: 'b', to: 'c' },
    { from: 'a', to: 'd' },
    { from: 'c', to: 'd' },
  ];
  expect([...longestPathRanks(nodes, edges)]).toEqual([
    ['a', 0],
    ['b', 1],
    ['c', 2],
    ['d', 3],
  ]);
});

test('an edge that others imply is left out, and nothing else is', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((id) => ({ id }));
  const kept = [
    { from: 'a', to: 'b' },
    { from: 'b', to: 'c' },
    { from: 'a', to: 'd' },
  ];
  expect(withoutImplied(nodes, [...kept, { from: 'a', to: 'c' }])).toEqual(kept);
});

test('what can be reached stays the same without implied edges', () => {
  fc.assert(
    fc.property(graphs, ({ nodes, edges }) => {
      const kept = withoutImplied(nodes, edges);
      expect([...longestPathRanks(nodes, kept)]).toEqual([...longestPathRanks(nodes, edges)]);
    }),
  );
});

test('crossing edges are untangled', () => {
  const nodes = ['a', 'b', 'x', 'y'].map((id) => ({ id, width: 10, height: 10 }));
  const edges = [
    { from: 'a', to: 'y' },
    { from: 'b', to: 'x' },
  ];
  const { positions } = layoutLayered(nodes, edges, GAPS);
  const above = (p: string, q: string) => positions.get(p)!.y < positions.get(q)!.y;
  expect(above('a', 'b')).toBe(above('y', 'x'));
});

test('an edge that closes a cycle or leads nowhere does no harm', () => {
  const nodes = ['a', 'b'].map((id) => ({ id, width: 10, height: 10 }));
  const edges = [
    { from: 'a', to: 'b' },
    { from: 'b', to: 'a' },
    { from: 'a', to: 'a' },
    { from: 'gone', to: 'a' },
  ];
  expect(layoutLayered(nodes, edges, GAPS).positions.size).toBe(2);
  expect(layoutLayered([], [], GAPS)).toEqual({ positions: new Map(), width: 0, height: 0 });
});

test('10,000 nodes are laid out in less than 200 ms', () => {
  const nodes = Array.from({ length: 10_000 }, (_, i) => ({ id: `n${i}`, width: 180, height: 50 }));
  const edges = nodes.flatMap((_, i) =>
    i < 100
      ? []
      : [i - 100, i - 100 + ((i * 7) % 90)].filter((j) => j < i).map((j) => ({ from: `n${j}`, to: `n${i}` })),
  );
  // The best of three: the machine of a test run has other things to do, too.
  const times = [1, 2, 3].map(() => {
    const startMs = performance.now();
    layoutLayered(nodes, edges, GAPS);
    return performance.now() - startMs;
  });
  expect(Math.min(...times)).toBeLessThan(200);
});

function overlaps(nodes: readonly LayoutNode[], edges: readonly LayoutEdge[]): string[] {
  const { positions } = layoutLayered(nodes, edges, GAPS);
  const found: string[] = [];
  nodes.forEach((a, i) => {
    for (const b of nodes.slice(i + 1)) {
      const p = positions.get(a.id)!;
      const q = positions.get(b.id)!;
      const apart =
        p.x + a.width <= q.x || q.x + b.width <= p.x || p.y + a.height <= q.y || q.y + b.height <= p.y;
      if (!apart) found.push(`${a.id} ${b.id}`);
    }
  });
  return found;
}
