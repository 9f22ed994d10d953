import { TrainyardError } from '@trainyard/protocol';
import { describe, expect, it } from 'vitest';
import { asOneDecision } from './expression-work.ts';
import { type ExpressionScope, resolveExpressions } from './index.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

function resolve(expression: string, params: ExpressionScope['params']) {
  const scope = { params, stages: {}, item: {}, outcome: {}, run: { id: 'run_1', name: 'r' } };
  return resolveExpressions(`\${{ ${expression} }}`, scope);
}

function cpuMs(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe('the work of one expression', () => {
  const text = 'a'.repeat(100_000);
  it.each([
    [
      'three lists in each other',
      'params.l.all(a, params.l.all(b, params.l.all(c, a+b+c >= 0)))',
      { l: numbers(1500) },
    ],
    ['maps in maps', 'params.l.map(a, params.l.map(b, params.l.map(c, c)))', { l: numbers(400) }],
    [
      'a difference of two long lists',
      'params.l.filter(x, !params.m.exists(y, y == x))',
      { l: numbers(10_000), m: numbers(10_000) },
    ],
    [
      'a search in a long list',
      'params.l.filter(x, x in params.m)',
      { l: numbers(10_000), m: numbers(10_000) },
    ],
    [
      'a comparison of long lists',
      'params.l.filter(x, params.l == params.m)',
      { l: numbers(10_000), m: numbers(10_000) },
    ],
    [
      'a result that holds one list many times',
      'params.l.map(a, params.l.map(b, params.l))',
      { l: numbers(400) },
    ],
    ['a list that grows', `params.l.map(x, ${Array(50).fill('params.l').join(' + ')})`, { l: numbers(5000) }],
    ['a text in a long text', 'params.a.contains(params.b)', { a: text.repeat(5), b: `${text}b${text}` }],
    [
      'long lists whose errors would be put up with',
      'params.l.exists(a, params.l.exists(b, a + b < 0)) || true',
      { l: numbers(600_000) },
    ],
  ] as const)('ends early: %s', (_, expression, params) => {
    const took = cpuMs(() =>
      expect(() => resolve(expression, params as never)).toThrow(
        /expression "\$\{\{ .* }}": it takes more than 2000000 steps/,
      ),
    );
    expect(took).toBeLessThan(3000);
  });

  it('goes on after an error that does not matter', () => {
    expect(resolve('params.l.exists(a, a < 0) || true', { l: ['a'] })).toBe(true);
  });
});

describe('the work of one decision', () => {
  it('is limited as a whole, and short expressions count for nothing', () => {
    const sum = 'params.l.exists(a, params.l.exists(b, a + b < 0))';
    const params = { l: numbers(400) };
    expect(resolve(sum, params)).toBe(false);
    let done = 0;
    const many = () =>
      asOneDecision(() => {
        for (; done < 1000; done += 1) asOneDecision(() => resolve(sum, params));
      });
    expect(many).toThrow(/the expressions of the stages that start together take more than 3000000 steps/);
    expect(done).toBeGreaterThan(1);
    // The next one begins anew.
    expect(asOneDecision(() => resolve(sum, params))).toBe(false);
    asOneDecision(() => {
      for (let i = 0; i < 20_000; i += 1) resolve('params.l[3] + 1', params);
    });
    expect(asOneDecision(() => resolve(sum, params))).toBe(false);
  });
});

describe('a decision whose steps are used up by a large value', () => {
  it('still computes short expressions', () => {
    const params = { l: numbers(100_000), m: numbers(3000) };
    asOneDecision(() => {
      const compare = () => resolve('params.m.all(a, params.l == params.l)', params);
      for (let i = 0; i < 10; i += 1) expect(compare).toThrow(/steps/);
      expect(resolve('params.l[3] + 1', params)).toBe(4);
    });
  });
});

describe('keys that JavaScript has a meaning for', () => {
  it.each(['constructor', 'prototype', 'toString', 'hasOwnProperty'])('are plain data: %s', (key) => {
    const params = { m: { [key]: { [key]: 1 }, a: 2 }, [key]: 3, list: [{ [key]: 4 }] };
    expect(resolve(`params.m.${key}.${key} + params.m.a + params.${key}`, params)).toBe(6);
    expect(resolve('params', params)).toEqual(params);
    expect(resolve(`params.list[0]["${key}"] + params.list.map(x, x.${key})[0]`, params)).toBe(8);
    expect(resolve(`has(params.m.${key}) && "${key}" in params.m && params.m == params.m`, params)).toBe(
      true,
    );
    expect(resolve('params.m.map(k, k)', params)).toEqual([key, 'a']);
    expect(resolve('size(params.m)', params)).toBe(2);
  });

  it('are none of a map that has no such key', () => {
    for (const key of ['constructor', 'toString', '__proto__']) {
      expect(() => resolve(`params.m.${key}`, { m: { a: 1 } })).toThrow(TrainyardError);
      expect(resolve(`has(params.m.${key})`, { m: { a: 1 } })).toBe(false);
    }
  });

  it('are refused in a map that an expression writes out, which would lose them', () => {
    expect(() => resolve('{"constructor": 1}', {})).toThrow(/cannot have the key "constructor"/);
  });
});
