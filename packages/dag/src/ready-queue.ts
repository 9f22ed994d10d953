/**
 * What may start next, highest priority first and then in the order of the definition. A persistent leftist
 * heap (Crane, 1972; Okasaki, "Purely Functional Data Structures", 3.1): old versions stay valid, adding and
 * removing cost O(log n). An empty queue is null.
 */
export type ReadyQueue = ReadyEntry | null;

export interface ReadyEntry {
  readonly node: number;
  readonly priority: number;
  /** Length of the way to the nearest empty place along right branches. */
  readonly rank: number;
  readonly left: ReadyQueue;
  readonly right: ReadyQueue;
}

export function addReady(queue: ReadyQueue, node: number, priority: number): ReadyEntry {
  return merge(queue, { node, priority, rank: 1, left: null, right: null })!;
}

export function withoutFirst(queue: ReadyEntry): ReadyQueue {
  return merge(queue.left, queue.right);
}

/** All nodes of a queue, in no order. */
export function nodesIn(queue: ReadyQueue): number[] {
  const nodes: number[] = [];
  const open = [queue];
  for (let entry = open.pop(); entry !== undefined; entry = open.pop()) {
    if (entry === null) continue;
    nodes.push(entry.node);
    open.push(entry.left, entry.right);
  }
  return nodes;
}

/** O(n) for a list that is in starting order already, or nearly so. */
export function readyFrom(entries: readonly { node: number; priority: number }[]): ReadyQueue {
  const isSorted = entries.every((entry, at) => at === 0 || startsBefore(entries[at - 1]!, entry));
  return readyFromSorted(isSorted ? entries : entries.toSorted((a, b) => (startsBefore(a, b) ? -1 : 1)));
}

/** O(n): a list in starting order is already a leftist heap that only leans left. */
export function readyFromSorted(entries: readonly { node: number; priority: number }[]): ReadyQueue {
  let queue: ReadyQueue = null;
  for (const { node, priority } of entries.toReversed()) {
    queue = { node, priority, rank: 1, left: queue, right: null };
  }
  return queue;
}

export function startsBefore(
  a: { readonly node: number; readonly priority: number },
  b: { readonly node: number; readonly priority: number },
): boolean {
  return a.priority > b.priority || (a.priority === b.priority && a.node < b.node);
}

/** Recurses along right branches only, which are at most log2(n) long. */
function merge(a: ReadyQueue, b: ReadyQueue): ReadyQueue {
  if (a === null) return b;
  if (b === null) return a;
  const [first, second] = startsBefore(a, b) ? [a, b] : [b, a];
  const right = merge(first.right, second);
  const leftRank = first.left?.rank ?? 0;
  const rightRank = right?.rank ?? 0;
  const { node, priority } = first;
  return leftRank >= rightRank
    ? { node, priority, rank: rightRank + 1, left: first.left, right }
    : { node, priority, rank: leftRank + 1, left: right, right: first.left };
}
