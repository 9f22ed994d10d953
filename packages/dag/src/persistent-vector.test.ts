import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PersistentVector } from './persistent-vector.ts';

describe('PersistentVector', () => {
  it('behaves like an array of which every version stays', () => {
    const change = fc.record({ index: fc.nat(), value: fc.integer() });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_000 }), fc.array(fc.array(change)), (length, batches) => {
        const versions = [
          { array: Array.from({ length }, (_, i) => i), vector: PersistentVector.from(length, (i) => i) },
        ];
        for (const batch of batches) {
          const { array, vector } = versions[versions.length - 1]!;
          const next = array.slice();
          const edit = vector.edit();
          for (const { index, value } of batch) {
            next[index % length] = value;
            edit.set(index % length, value);
            expect(edit.get(index % length)).toBe(value);
          }
          versions.push({ array: next, vector: edit.done() });
        }
        for (const { array, vector } of versions) expect(array.map((_, i) => vector.get(i))).toEqual(array);
      }),
    );
  });

  it('is the same object after an edit without changes', () => {
    const vector = PersistentVector.from(100, (i) => i);
    expect(vector.edit().done()).toBe(vector);
  });

  it.each([-1, 3, 0.5, Number.NaN])('refuses the index %d of three', (index) => {
    const vector = PersistentVector.from(3, (i) => i);
    expect(() => vector.get(index)).toThrow(RangeError);
    expect(() => vector.edit().set(index, 0)).toThrow(RangeError);
  });

  it('grows at its end, and versions from before stay as they were', () => {
    const versions = [PersistentVector.from<number>(0, () => 0)];
    for (const count of [1, 31, 1, 992, 40_000]) {
      const before = versions[versions.length - 1]!;
      const edit = before.edit();
      for (let i = 0; i < count; i++) edit.push(before.length + i);
      expect(edit.length).toBe(before.length + count);
      versions.push(edit.done());
    }
    expect(versions.map(({ length }) => length)).toEqual([0, 1, 32, 33, 1_025, 41_025]);
    for (const version of versions) {
      for (let i = 0; i < version.length; i++) if (version.get(i) !== i) expect.fail(`${i}`);
      expect(() => version.get(version.length)).toThrow(RangeError);
    }
  });
});
