import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LeafSet } from './leaf-set.ts';

/** Numbers are added, -1 takes. */
const steps = fc.array(fc.oneof(fc.nat(70_000), fc.nat(40), fc.constant(-1)), { maxLength: 200 });

describe('LeafSet', () => {
  it('gives the lowest number that is in it, whatever its size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70_001 }), steps, (size, list) => {
        const leaves = new LeafSet(size);
        const known = new Set<number>();
        const take = (): void => {
          const lowest = known.size === 0 ? -1 : Math.min(...known);
          expect(leaves.take()).toBe(lowest);
          known.delete(lowest);
        };
        for (const step of list) {
          if (step < 0) take();
          else if (step < size && !known.has(step)) {
            known.add(step);
            leaves.add(step);
          }
          expect(leaves.length).toBe(known.size);
        }
        while (known.size > 0) take();
        expect(leaves.take()).toBe(-1);
      }),
      { numRuns: 300 },
    );
  });
});
