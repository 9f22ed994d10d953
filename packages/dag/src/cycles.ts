import type { Links } from './sibling-links.ts';

/**
 * One cycle for each group of nodes that wait on each other, as node numbers: `[0, 1, 0]` means that 0 waits
 * for 1 and 1 for 0. Starts with the lowest node and is the shortest one through it. `edges` links each node to
 * what it waits for, without itself. Iterative, O(nodes + edges), so a chain of any length is safe.
 */
export function findCycles(edges: Links): number[][] {
  const component = components(edges);
  const sizes = new Map<number, number>();
  for (const id of component) sizes.set(id, (sizes.get(id) ?? 0) + 1);
  const cycles: number[][] = [];
  const reported = new Set<number>();
  component.forEach((id, node) => {
    if (sizes.get(id) === 1 || reported.has(id)) return;
    reported.add(id);
    cycles.push(shortestCycleThrough(node, edges, component));
  });
  return cycles;
}

/** Strongly connected components (Tarjan, 1972) with an explicit stack: the component number of each node. */
function components({ starts, targets }: Links): Int32Array {
  const count = starts.length - 1;
  const order = new Int32Array(count).fill(-1);
  const low = new Int32Array(count);
  const component = new Int32Array(count).fill(-1);
  const nextEdge = starts.slice(0, count);
  const open: number[] = [];
  let visited = 0;
  let found = 0;
  for (let start = 0; start < count; start++) {
    if (order[start] !== -1) continue;
    const way = [start];
    while (way.length > 0) {
      const node = way[way.length - 1]!;
      if (order[node] === -1) {
        order[node] = low[node] = visited++;
        open.push(node);
      }
      if (nextEdge[node]! < starts[node + 1]!) {
        const target = targets[nextEdge[node]!++]!;
        if (order[target] === -1) way.push(target);
        else if (component[target] === -1) low[node] = Math.min(low[node]!, order[target]!);
        continue;
      }
      way.pop();
      const caller = way[way.length - 1];
      if (caller !== undefined) low[caller] = Math.min(low[caller]!, low[node]!);
      if (low[node] !== order[node]) continue;
      let member: number;
      do {
        member = open.pop()!;
        component[member] = found;
      } while (member !== node);
      found += 1;
    }
  }
  return component;
}

function shortestCycleThrough(start: number, { starts, targets }: Links, component: Int32Array): number[] {
  const reachedFrom = new Map<number, number>();
  const frontier = [start];
  for (const node of frontier) {
    for (const target of targets.subarray(starts[node]!, starts[node + 1]!)) {
      if (target === start) {
        const cycle = [start];
        for (let step = node; step !== start; step = reachedFrom.get(step)!) cycle.push(step);
        cycle.push(start);
        return cycle.reverse();
      }
      if (component[target] !== component[start] || reachedFrom.has(target)) continue;
      reachedFrom.set(target, node);
      frontier.push(target);
    }
  }
  return [start, start];
}
