import { expect, it } from 'vitest';
import { z } from 'zod';
import './issue-words.ts';

const wordsOf = (schema: z.ZodType, value: unknown) => schema.safeParse(value).error?.issues[0]?.message;

it.each([
  [z.string(), undefined, 'is required'],
  [z.union([z.number(), z.enum(['NaN'])]), undefined, 'is required'],
  [z.enum(['a', 'b']), undefined, 'is required'],
  [z.string(), 5, 'must be text, found 5'],
  [z.string(), null, 'must be text, found null'],
  [z.int(), 'many', 'must be a number, found a text'],
  [z.int(), 1.5, 'must be a whole number, found 1.5'],
  [z.int().min(0), -1, 'must be at least 0, found -1'],
  [z.number().gt(0), 0, 'must be more than 0, found 0'],
  [z.number().max(9), 10, 'must be at most 9, found 10'],
  [z.coerce.number(), 'zzz', 'must be a number'],
  [z.string().min(1), '', 'must have at least 1 character, found an empty text'],
  [z.array(z.string()).min(2), ['a'], 'must have at least 2 entries, found a list'],
  [z.enum(['a', 'b', 'c']), 'd', 'must be one of "a", "b", "c", found "d"'],
  [z.union([z.number(), z.enum(['NaN'])]), 'x', 'must be a number or "NaN", found "x"'],
  [z.union([z.string(), z.object({ at: z.int() })]), { at: 'x' }, 'at: must be a number, found a text'],
  [z.strictObject({}), { b: 1, c: 2 }, 'has unknown keys "b", "c"'],
  [z.iso.datetime(), 'noon', 'must be an instant such as 2026-01-31T12:00:00Z'],
  [z.string().regex(/^x$/), 'y', 'must match /^x$/'],
  [z.string().min(3, 'words of its own'), '', 'words of its own'],
])('words what a schema refuses: %#', (schema, value, words) => {
  expect(wordsOf(schema, value)).toBe(words);
});

it('does not show texts, which may be secrets, unless one of a few words was to be given', () => {
  expect(wordsOf(z.string().max(3), 'hunter2')).toBe('must have at most 3 characters, found a text');
  expect(wordsOf(z.enum(['a']), 'x'.repeat(100))).toBe(`must be "a", found "${'x'.repeat(59)}…"`);
});
