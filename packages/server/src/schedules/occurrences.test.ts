import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cronOccurrences,
  everyOccurrences,
  localDate,
  type Occurrences,
  occurrencesBetween,
  startOfDay,
} from './occurrences.ts';

const iso = (all: readonly (number | null)[]) =>
  all.map((ms) => (ms === null ? null : new Date(ms).toISOString()));
const next = (occurrences: Occurrences, from: string, count: number) => {
  const found: (number | null)[] = [];
  for (let at: number | null = Date.parse(from); found.length < count; found.push(at)) {
    at = at === null ? null : occurrences.after(at);
  }
  return iso(found);
};

describe('cron patterns in a time zone', () => {
  it('follow the clock of the zone', () => {
    expect(next(cronOccurrences('0 6 * * 1-5', 'Europe/Berlin'), '2026-03-26T12:00:00Z', 3)).toEqual([
      '2026-03-27T05:00:00.000Z',
      '2026-03-30T04:00:00.000Z',
      '2026-03-31T04:00:00.000Z',
    ]);
  });

  it('run right after the gap what names a time that does not exist', () => {
    // On 29 March 2026 the clocks of Berlin go from 2:00 to 3:00.
    expect(next(cronOccurrences('30 2 * * *', 'Europe/Berlin'), '2026-03-28T02:00:00Z', 2)).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    expect(next(cronOccurrences('30 2,14 * * *', 'Europe/Berlin'), '2026-03-28T14:00:00Z', 2)).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-29T12:30:00.000Z',
    ]);
  });

  it('run once what names a time that comes twice', () => {
    // On 25 October 2026 the clocks of Berlin go from 3:00 back to 2:00.
    expect(next(cronOccurrences('30 2 * * *', 'Europe/Berlin'), '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
  });

  it('keep their rhythm over both changes where they have wildcards', () => {
    const hourly = cronOccurrences('30 * * * *', 'Europe/Berlin');
    for (const from of ['2026-03-28T22:00:00Z', '2026-10-24T22:00:00Z']) {
      const found = occurrencesBetween(hourly, Date.parse(from), Date.parse(from) + 8 * 3_600_000, 100);
      expect(found).toHaveLength(8);
      expect(new Set(found.slice(1).map((at, i) => at - found[i]!))).toEqual(new Set([3_600_000]));
    }
  });

  it.each([
    ['* * * *', 'UTC', /five fields/],
    ['* * * * * *', 'UTC', /five fields/],
    ['61 * * * *', 'UTC', /minute: 61/],
    ['a b c d e', 'UTC', /illegal/],
    ['2030-01-01T00:00:00', 'UTC', /five fields/],
    ['0 0 30 2 *', 'UTC', /no day that exists/],
    ['@sometimes', 'UTC', /cannot be used/],
    ['0 6 * * *', 'Mars/Base', /is no time zone/],
  ])('refuse %s in %s', (pattern, timezone, problem) => {
    expect(() => cronOccurrences(pattern, timezone)).toThrow(problem);
  });

  it('give backwards what they give forwards', () => {
    const zone = fc.constantFrom(
      'UTC',
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
    );
    const pattern = fc.constantFrom(
      '*/15 * * * *',
      '30 2 * * *',
      '0 0 * * *',
      '45 1,2,3 * * *',
      '0 */6 * * *',
      '0 6 * * 1-5',
      '15 2 * 3,10 *',
    );
    // Around the changes of clocks in 2026, where the mistakes are.
    const start = fc.constantFrom(
      '2026-03-07',
      '2026-03-28',
      '2026-04-04',
      '2026-10-03',
      '2026-10-24',
      '2026-10-31',
    );
    fc.assert(
      fc.property(
        zone,
        pattern,
        start,
        fc.integer({ min: 0, max: 3 * 86_400_000 }),
        (tz, cron, day, offset) => {
          const occurrences = cronOccurrences(cron, tz);
          const until = Date.parse(`${day}T00:00:00Z`) + offset;
          const back = occurrences.newest(20, until);
          expect(back.every((at) => at <= until)).toBe(true);
          const forward = occurrencesBetween(occurrences, back[0]!, until + 1, 1000);
          expect(iso(back)).toEqual(iso(forward));
          expect(occurrences.before(back.at(-1)!)).toBe(back.at(-2));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('steps of one length', () => {
  it('are days of the zone where they are whole days', () => {
    const from = startOfDay('2026-03-28', 'Europe/Berlin');
    const daily = everyOccurrences(from, 86_400_000, 'Europe/Berlin');
    expect(iso(occurrencesBetween(daily, from, from + 3.5 * 86_400_000, 100))).toEqual([
      '2026-03-27T23:00:00.000Z',
      '2026-03-28T23:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
      '2026-03-30T22:00:00.000Z',
    ]);
    expect(localDate(from, 'Europe/Berlin')).toBe('2026-03-28');
  });

  it('are of the same length otherwise', () => {
    const from = Date.parse('2026-03-29T00:00:00Z');
    const steps = everyOccurrences(from, 90 * 60_000, 'Europe/Berlin');
    const found = occurrencesBetween(steps, from, from + 6 * 3_600_000, 100);
    expect(found.map((at) => (at - from) / 60_000)).toEqual([0, 90, 180, 270]);
    expect(steps.before(from + 1)).toBe(from);
    expect(steps.newest(2, from + 3 * 3_600_000)).toEqual([from + 90 * 60_000, from + 180 * 60_000]);
    expect(steps.newest(5, from - 1)).toEqual([]);
  });
});
