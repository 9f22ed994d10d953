import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDurationMs, MAX_DURATION_MS, parseDurationMs } from './duration.ts';

describe('durations', () => {
  it('read every sum of days, hours, minutes, seconds and milliseconds', () => {
    const part = (max: number) => fc.integer({ min: 0, max });
    fc.assert(
      fc.property(part(300), part(23), part(59), part(59), part(999), (d, h, m, s, ms) => {
        const expected = (((d * 24 + h) * 60 + m) * 60 + s) * 1000 + ms;
        expect(parseDurationMs(`${d}d${h}h${m}m${s}s${ms}ms`)).toBe(expected);
        expect(parseDurationMs(expected / 1000)).toBe(expected);
        expect(parseDurationMs(String(expected / 1000))).toBe(expected);
      }),
    );
  });

  it.each([
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['500ms', 500],
    [' 2.5h ', 9_000_000],
    ['0', 0],
    [0.25, 250],
    ['366d', MAX_DURATION_MS],
  ])('read %j as %d ms', (text, ms) => expect(parseDurationMs(text)).toBe(ms));

  it.each([
    '',
    ' ',
    '-1s',
    '1 h',
    's',
    '1w',
    '5m3',
    '1e3',
    'Infinity',
    '367d',
    '1s,',
    '1.s',
    Number.NaN,
    -1,
    Number.POSITIVE_INFINITY,
    MAX_DURATION_MS / 1000 + 1,
  ])('refuse %j', (text) => expect(parseDurationMs(text)).toBeUndefined());

  it('refuse or read any text without failing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double(), fc.stringMatching(/^[0-9.smhd]{0,20}$/)), (value) => {
        const ms = parseDurationMs(value);
        if (ms !== undefined) expect(Number.isInteger(ms) && ms >= 0 && ms <= MAX_DURATION_MS).toBe(true);
      }),
    );
  });

  it.each([
    [0, '0 ms'],
    [340, '340 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [12_345, '12.3 s'],
    [59_999, '59.9 s'],
    [60_000, '1 m 00 s'],
    [245_000, '4 m 05 s'],
    [3_599_999, '59 m 59 s'],
    [7_800_000, '2 h 10 m'],
  ])('show %d ms as %s', (ms, text) => expect(formatDurationMs(ms)).toBe(text));
});
