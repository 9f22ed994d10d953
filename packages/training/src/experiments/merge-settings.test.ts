import type { JsonValue } from '@trainyard/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { mergeSettings, unfilled } from './merge-settings.ts';

const CASES: readonly [string, base: JsonValue, over: JsonValue, merged: JsonValue][] = [
  ['a value of the trial wins', { a: 1 }, { a: 2 }, { a: 2 }],
  ['what only one of them has stays', { a: 1 }, { b: 2 }, { a: 1, b: 2 }],
  [
    'mappings are merged at any depth',
    { a: { b: { c: 1, d: 2 } } },
    { a: { b: { d: 3 } } },
    { a: { b: { c: 1, d: 3 } } },
  ],
  ['lists are merged element by element', [1, 2, 3], [9, 8], [9, 8, 3]],
  ['a longer list goes on', [1], [2, 3], [2, 3]],
  ['mappings in lists are merged', [{ a: 1, b: 1 }, { a: 2 }], [{ b: 5 }], [{ a: 1, b: 5 }, { a: 2 }]],
  ['"?" in the trial leaves what is there', [1, 2, 3], ['?', 9], [1, 9, 3]],
  ['"?" in the base is given by the trial', { a: '?' }, { a: [1] }, { a: [1] }],
  ['null is a value', { a: { b: 1 } }, { a: null }, { a: null }],
  ['another kind of value wins as a whole', { a: { b: 1 } }, { a: [1] }, { a: [1] }],
  ['$replace is not merged', { a: [1, 2, 3] }, { a: { $replace: [4] } }, { a: [4] }],
  ['$replace in the base stands for its value', { a: { $replace: [1] } }, {}, { a: [1] }],
  [
    'a mapping over $replace takes its place',
    { a: { $replace: { b: 1 } } },
    { a: { c: 2 } },
    { a: { c: 2 } },
  ],
];

it.each(CASES)('%s', (_, base, over, merged) => {
  expect(mergeSettings(base, over)).toEqual(merged);
});

it('names each value that nobody gave, by its path', () => {
  expect(unfilled({ a: '?', b: { c: [1, '?'] }, d: 'why?' })).toEqual(['a', 'b.c[1]']);
});

const settings = fc.object({
  key: fc.stringMatching(/^[a-z]{1,3}$/),
  values: [fc.integer(), fc.boolean(), fc.constant(null), fc.constant('text')],
  maxDepth: 3,
}) as fc.Arbitrary<Record<string, JsonValue>>;

it('changes nothing when merged with nothing or itself, and changes neither of what is merged', () => {
  fc.assert(
    fc.property(settings, settings, (base, over) => {
      const before = JSON.stringify([base, over]);
      const merged = mergeSettings(base, over);
      expect(JSON.stringify([base, over])).toBe(before);
      expect(mergeSettings(base, {})).toEqual(base);
      expect(mergeSettings(base, base)).toEqual(base);
      // What the trial says is there, and stays when it says it again.
      expect(mergeSettings(merged, over)).toEqual(merged);
    }),
  );
});
