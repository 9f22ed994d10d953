import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countLineEnds, placeLines } from './append-placement.ts';

it('stores every line once and in order, however often and in whatever pieces lines are sent again', () => {
  const lines = fc.array(
    fc.string({ maxLength: 5 }).map((text) => text.replaceAll('\n', '')),
    { maxLength: 20 },
  );
  const sends = fc.array(fc.tuple(fc.nat(25), fc.nat(25)), { maxLength: 20 });
  fc.assert(
    fc.property(lines, sends, (all, pieces) => {
      let stored = '';
      for (const [first, count] of pieces) {
        const from = Math.min(first, all.length);
        const bytes = Buffer.from(
          all
            .slice(from, from + count)
            .map((line) => `${line}\n`)
            .join(''),
        );
        const has = countLineEnds(Buffer.from(stored));
        const placed = placeLines(has, from, bytes);
        expect(placed.kind === 'gap').toBe(from > has);
        if (placed.kind === 'new') stored += bytes.subarray(placed.skip).toString();
        expect(
          all
            .map((line) => `${line}\n`)
            .join('')
            .startsWith(stored),
        ).toBe(true);
        if (placed.kind !== 'gap') {
          expect(countLineEnds(Buffer.from(stored))).toBe(Math.max(has, Math.min(all.length, from + count)));
        }
      }
    }),
  );
});

it('counts the line ends of any bytes, wherever they stand in memory', () => {
  const byte = fc.oneof(fc.constantFrom(10, 9, 11, 0, 138, 255), fc.nat(255));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3 }), fc.array(byte, { maxLength: 40 }), (before, bytes) => {
      const place = Uint8Array.from([...before, ...bytes]);
      expect(countLineEnds(place.subarray(before.length))).toBe(bytes.filter((one) => one === 10).length);
    }),
  );
});
