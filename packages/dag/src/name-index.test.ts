import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NameIndex } from './name-index.ts';

describe('NameIndex', () => {
  it('finds the first place of every name, and nothing else, as a map does', () => {
    const names = fc.array(fc.oneof(fc.string(), fc.constantFrom('a', 'b', 'n1', 'n2')), { maxLength: 300 });
    fc.assert(
      fc.property(names, fc.array(fc.string()), (known, others) => {
        const index = new NameIndex(known);
        const firstOf = (name: string): number | undefined => {
          const at = known.indexOf(name);
          return at < 0 ? undefined : at;
        };
        for (const name of [...known, ...others]) expect(index.get(name)).toBe(firstOf(name));
        expect(index.hasRepeats).toBe(new Set(known).size < known.length);
        expect([...index.keys()]).toEqual([...new Set(known)]);
      }),
    );
  });

  it('finds names that are made to collide, in a map', () => {
    const names = collidingNames(2_000);
    const index = new NameIndex([...names, names[7]!]);
    for (const [place, name] of names.entries()) expect(index.get(name)).toBe(place);
    expect(index.get('another')).toBeUndefined();
    expect(index.hasRepeats).toBe(true);
  });
});

/** Names of one hash: at each step one of two pairs of units that lead FNV-1a to the same value. */
function collidingNames(count: number): string[] {
  let hash = 0x811c9dc5;
  const steps: [string, string][] = [];
  while (2 ** steps.length < count) {
    const [one, other] = collidingPairs(hash);
    steps.push([one, other]);
    for (let at = 0; at < 2; at++) hash = step(hash, one.charCodeAt(at));
  }
  return Array.from({ length: count }, (_, number) =>
    steps.map((pair, bit) => pair[(number >> bit) & 1]!).join(''),
  );
}

/** The second unit can only make up for a difference in the lower half, so the upper one has to be the same. */
function collidingPairs(hash: number): [string, string] {
  const byUpperHalf = new Map<number, number>();
  for (let first = 0; ; first++) {
    const other = byUpperHalf.get(step(hash, first) >>> 16);
    byUpperHalf.set(step(hash, first) >>> 16, first);
    if (other === undefined) continue;
    const difference = (step(hash, first) ^ step(hash, other)) & 0xffff;
    return [String.fromCharCode(first, 0), String.fromCharCode(other, difference)];
  }
}

function step(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x01000193);
}
