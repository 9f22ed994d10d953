import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linearRegex } from './linear-regex.ts';

describe('a regular expression in linear time', () => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', '(?:ab)', '(a|b)', '(?:a|)', 'c');
  const piece = fc
    .tuple(atom, fc.constantFrom('', '*', '+', '?', '{2}', '{1,3}', '{0,}'))
    .map(([one, times]) => one + times);
  const pattern = fc
    .tuple(
      fc.constantFrom('', '^', '(?i)'),
      fc.array(fc.array(piece, { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
      fc.constantFrom('', '$'),
    )
    .map(([begin, parts, end]) => begin + parts.map((part) => part.join('')).join('|') + end);
  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', 'A', '1', ' '), { maxLength: 12 })
    .map((it) => it.join(''));

  it('finds what the one of JavaScript finds', () => {
    fc.assert(
      fc.property(pattern, text, (source, line) => {
        const plain = source.replace('(?i)', '');
        const wanted = new RegExp(plain, source.startsWith('(?i)') ? 'i' : '').test(line);
        expect(linearRegex(source).test(line)).toBe(wanted);
      }),
      { numRuns: 3000 },
    );
  });

  it('names texts without which there is no match', () => {
    const { needles, test } = linearRegex('CUDA out of memory|Xid \\d+');
    expect(needles).toEqual(['cuda out of memory', 'xid ']);
    expect(test('RuntimeError: CUDA out of memory.')).toBe(true);
    expect(test('Xid 79')).toBe(true);
    expect(linearRegex('a|b').needles).toEqual([]);
  });

  it('does not hang on patterns that would', () => {
    const line = 'a'.repeat(3000);
    const startedAt = performance.now();
    for (const source of ['(a+)+$b', '(a|a)*b', '.*.*.*.*=x', '(a*)*b']) {
      expect(linearRegex(source).test(line)).toBe(false);
    }
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it('says what it does not know', () => {
    for (const source of ['(a', 'a)', '[a', '*a', 'a{1,101}', '(?=a)', '\\b', 'a\\']) {
      expect(() => linearRegex(source), source).toThrow(SyntaxError);
    }
  });
});
