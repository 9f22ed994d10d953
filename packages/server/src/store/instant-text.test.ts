import { expect, it } from 'vitest';
import { instantMs, instantText } from './instant-text.ts';

it('writes an instant in one way, in whatever way it was read before', () => {
  const ms = Date.UTC(2026, 10, 26);
  for (const text of ['2026-11-26T00:00:00Z', '2026-11-26T01:00:00+01:00', '2026-11-26']) {
    expect(instantMs(text)).toBe(ms);
    expect(instantText(ms)).toBe('2026-11-26T00:00:00.000Z');
  }
});

it('says of what is no instant that it is none, also the second time', () => {
  expect([instantMs('soon'), instantMs('soon')]).toEqual([Number.NaN, Number.NaN]);
  expect(() => instantText(Number.NaN)).toThrow(RangeError);
  expect(() => instantText(Number.NaN)).toThrow(RangeError);
});
