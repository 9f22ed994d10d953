import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NumberedNames } from './numbered-names.ts';

const stem = fc.constantFrom('', 'a', 'b-', 'a0', 'a1', 'a12345678', 'a100000000');
const number = fc.oneof(fc.nat(30), fc.constantFrom(0, 7, 100, 999_999_999, 1_234_567_890));
const numbered = fc
  .tuple(stem, number, fc.constantFrom('', '0', '00'))
  .map(([text, value, zeros]) => `${text}${zeros}${value}`);

describe('NumberedNames', () => {
  it('finds the first place of every name, and nothing else, as a map does', () => {
    const names = fc.array(numbered, { minLength: 1, maxLength: 60 });
    const others = fc.array(fc.oneof(numbered, fc.string()), { maxLength: 40 });
    let found = 0;
    fc.assert(
      fc.property(names, others, (known, unknown) => {
        const places = NumberedNames.of(known.map((name) => ({ name })));
        if (places === null) return;
        found += 1;
        const all = [...known, ...unknown, ...known];
        for (const name of all) {
          const first = known.indexOf(name);
          expect(places.get(name)).toBe(first < 0 ? undefined : first);
        }
        expect(places.hasRepeats).toBe(new Set(known).size < known.length);
        expect([...places.keys()]).toEqual([...new Set(known)]);
      }),
      { numRuns: 2_000 },
    );
    expect(found).toBeGreaterThan(100);
  });

  it.each([
    ['in step', ['a1', 'a2', 'a3', 'b5', 'b6'], false],
    ['in step, with stems that take turns', ['a0', 'b1', 'a2', 'b3'], false],
    ['with a gap', ['a1', 'a2', 'a4'], false],
    ['in step but for a gap that a repeat makes up for', ['a0', 'a1', 'a1', 'a3'], true],
    ['backwards', ['a3', 'a2', 'a1'], false],
  ])('finds names that are %s', (_, names, hasRepeats) => {
    const places = NumberedNames.of(names.map((name) => ({ name })))!;
    expect(names.map((name) => places.get(name))).toEqual(names.map((name) => names.indexOf(name)));
    expect(['a7', 'b0', 'b7', 'a00', 'a', 'c1'].map((name) => places.get(name))).toEqual(
      new Array(6).fill(undefined),
    );
    expect(places.hasRepeats).toBe(hasRepeats);
  });

  it('tells numbers with zeros in front from those without', () => {
    const places = NumberedNames.of(['a7', 'a07', 'a007'].map((name) => ({ name })))!;
    expect(['a7', 'a07', 'a007', 'a0007'].map((name) => places.get(name))).toEqual([0, 1, 2, undefined]);
  });

  it.each([
    ['a name without a number', ['a1', 'a2', 'report']],
    ['numbers too far apart for an array', ['a1', 'a900000000']],
    ['too many texts before the numbers', Array.from({ length: 65 }, (_, at) => `${'a'.repeat(at + 1)}-1`)],
  ])('is not for %s', (_, names) => {
    expect(NumberedNames.of(names.map((name) => ({ name })))).toBeNull();
  });
});
