import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReadyQueue } from './ready-queue.ts';
import { addReady, readyFromSorted, startsBefore, withoutFirst } from './ready-queue.ts';

const priorities = fc.array(fc.integer({ min: -1, max: 2 }), { maxLength: 200 });

describe('ReadyQueue', () => {
  it('gives the highest priority first, then the order of the definition', () => {
    fc.assert(
      fc.property(priorities, (values) => {
        const entries = values.map((priority, node) => ({ node, priority }));
        let queue: ReadyQueue = null;
        for (const { node, priority } of entries.toReversed()) queue = addReady(queue, node, priority);
        const sorted = entries.toSorted((a, b) => b.priority - a.priority || a.node - b.node);
        expect(drain(queue)).toEqual(sorted.map(({ node }) => node));
        expect(drain(queue), 'the old version is still whole').toHaveLength(entries.length);
      }),
    );
  });

  it('mixes entries built at once with entries added later', () => {
    fc.assert(
      fc.property(priorities, priorities, (first, later) => {
        const built = first.map((priority, node) => ({ node, priority }));
        const added = later.map((priority, index) => ({ node: first.length + index, priority }));
        const order = (
          a: { node: number; priority: number },
          b: { node: number; priority: number },
        ): number => (startsBefore(a, b) ? -1 : 1);
        let queue = readyFromSorted(built.toSorted(order));
        for (const { node, priority } of added) queue = addReady(queue, node, priority);
        expect(drain(queue)).toEqual([...built, ...added].sort(order).map(({ node }) => node));
      }),
    );
  });

  it('holds 50,000 entries in any order without deep recursion', () => {
    for (const direction of [1, -1]) {
      let queue: ReadyQueue = null;
      for (let node = 0; node < 50_000; node++) queue = addReady(queue, node * direction, 0);
      expect(drain(queue)).toHaveLength(50_000);
    }
  });
});

function drain(queue: ReadyQueue): number[] {
  const nodes: number[] = [];
  for (let rest = queue; rest !== null; rest = withoutFirst(rest)) nodes.push(rest.node);
  return nodes;
}
