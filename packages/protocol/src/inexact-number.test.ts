import { expect, it } from 'vitest';
import { inexactNumber } from './inexact-number.ts';

it.each([
  ['{"a": 12345678901234567890}', 'a', '12345678901234567890', 'a whole number beyond 9007199254740991'],
  ['[1, -9007199254740993]', '1', '-9007199254740993', 'a whole number beyond 9007199254740991'],
  ['{"a": {"b": 1e400}}', 'b', '1e400', 'too large for a number'],
  ['9007199254740993', '', '9007199254740993', 'a whole number beyond 9007199254740991'],
])('finds in %s what would be changed', (text, key, source, problem) => {
  expect(inexactNumber(text)).toEqual({ key, source, problem });
});

it.each(['{"a": "12345678901234567890"}', '[9007199254740991, 1e20, 0.12345678901234567890, 1e-400]', '{}'])(
  'finds nothing in %s',
  (text) => {
    expect(inexactNumber(text)).toBeUndefined();
  },
);
