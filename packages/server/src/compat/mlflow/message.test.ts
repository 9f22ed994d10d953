import { describe, expect, it } from 'vitest';
import {
  choice,
  double,
  flag,
  integer,
  list,
  type Message,
  nested,
  readMessage,
  readQuery,
  required,
  text,
} from './message.ts';
import { offsetOf, pageToken } from './page-token.ts';

const message = {
  name: required(text()),
  step: integer(),
  value: double(),
  deep: flag(),
  view: choice(['ALL', 'NONE']),
  tags: list(nested({ key: required(text()), value: text() })),
} satisfies Message;

describe('a message of MLflow', () => {
  it.each([
    ['numbers as texts', { step: '-3', value: '3.25' }, { step: -3, value: 3.25 }],
    ['special numbers', { value: '-Infinity' }, { value: Number.NEGATIVE_INFINITY }],
    ['NaN', { value: 'NaN' }, { value: Number.NaN }],
    ['null as absent', { step: null, tags: null }, {}],
    ['unknown fields', { other: 1 }, {}],
    ['empty values', { tags: [{ key: 'a', value: '' }] }, { tags: [{ key: 'a', value: '' }] }],
    ['flags and choices', { deep: 'true', view: 'ALL' }, { deep: true, view: 'ALL' }],
  ])('reads %s', (_what, given, expected) => {
    expect(readMessage(message, { name: 'n', ...given })).toEqual({ name: 'n', tags: [], ...expected });
  });

  it.each([
    [{}, "Missing value for required parameter 'name'"],
    [{ name: '' }, "Missing value for required parameter 'name'"],
    [{ name: 12 }, "Invalid value 12 for parameter 'name' supplied"],
    [{ name: 'n', step: 1.5 }, "Invalid value 1.5 for parameter 'step' supplied"],
    [{ name: 'n', step: 2 ** 60 }, "for parameter 'step' supplied"],
    [{ name: 'n', value: true }, "Invalid value true for parameter 'value' supplied"],
    [{ name: 'n', value: 'high' }, 'Invalid value "high" for parameter \'value\' supplied'],
    [{ name: 'n', deep: 1 }, "Invalid value 1 for parameter 'deep' supplied"],
    [{ name: 'n', view: 'SOME' }, 'Invalid value "SOME" for parameter \'view\' supplied'],
    [{ name: 'n', tags: 'x' }, 'Invalid value "x" for parameter \'tags\' supplied'],
    [{ name: 'n', tags: [1] }, "Invalid value 1 for parameter 'tags[0]' supplied"],
    [{ name: 'n', tags: [{}] }, "Missing value for required parameter 'tags[0].key'"],
    [{ name: 'n', tags: [{ key: 1 }] }, "Invalid value 1 for parameter 'tags[0].key' supplied"],
  ])('refuses %j', (given, told) => {
    expect(() => readMessage(message, given)).toThrow(told);
  });

  it('takes one text of a query for a list of one', () => {
    const query = { ids: list(text()), limit: integer() };
    expect(readQuery(query, { ids: 'a', limit: '2' })).toEqual({ ids: ['a'], limit: 2 });
    expect(readQuery(query, { ids: ['a', 'b'], limit: ['1', '2'] })).toEqual({ ids: ['a', 'b'], limit: 2 });
  });
});

describe('the token of a page', () => {
  it('says where the next one begins', () => {
    expect(offsetOf(pageToken(25_000))).toBe(25_000);
    expect(offsetOf(undefined)).toBe(0);
    for (const token of ['x', 'e30=', Buffer.from('{"offset": -1}').toString('base64')])
      expect(() => offsetOf(token)).toThrow('page token');
  });
});
