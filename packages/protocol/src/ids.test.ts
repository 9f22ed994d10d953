import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type IdPrefix, isId, newId } from './ids.ts';

describe('ids', () => {
  it('are unique and sort in the order they were made, also when the clock stands or goes back', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 47 }),
        fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 300 }),
        (startMs, drifts) => {
          let nowMs = startMs;
          const ids = drifts.map((drift) => {
            nowMs = Math.max(0, nowMs + drift);
            return newId('run', nowMs);
          });
          expect(ids.toSorted()).toEqual(ids);
          expect(new Set(ids).size).toBe(ids.length);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('stay in order beyond the counter of one millisecond', () => {
    const ids = Array.from({ length: 10_000 }, () => newId('att', 0));
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('are recognised by their own prefix only', () => {
    const prefixes = ['run', 'att', 'agt', 'tok'] as const satisfies readonly IdPrefix[];
    for (const prefix of prefixes) {
      const id = newId(prefix);
      expect(prefixes.filter((other) => isId(other, id))).toEqual([prefix]);
      for (const wrong of [
        '',
        prefix,
        id.toUpperCase(),
        `${id}0`,
        id.slice(0, -1),
        ` ${id}`,
        `${id}\n`,
        id.replace(/.$/, 'u'),
      ]) {
        expect(isId(prefix, wrong), wrong).toBe(false);
      }
    }
  });

  it('carry their time: a UUIDv7 in base 32', () => {
    const ms = Date.UTC(2199, 0, 1);
    const id = newId('run', ms);
    const value = [...id.slice('run_'.length)].reduce(
      (sum, character) => sum * 32n + BigInt('0123456789abcdefghjkmnpqrstvwxyz'.indexOf(character)),
      0n,
    );
    expect(Number(value >> 80n)).toBeGreaterThanOrEqual(ms);
    expect((value >> 76n) & 0xfn).toBe(7n);
    expect((value >> 62n) & 0b11n).toBe(0b10n);
  });
});
