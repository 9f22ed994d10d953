import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Announcement, PendingAnnouncements, readPayload } from './pending-announcements.ts';

const id = fc.integer({ min: 0, max: 400 }).map((n) => `run_${String(n).padStart(26, '0')}`);
const announcement: fc.Arbitrary<Announcement> = fc.oneof(
  fc.constantFrom<Announcement>({ t: 'work' }, { t: 'inbox' }, { t: 'missed' }),
  fc.record({ t: fc.constant('tree' as const), r: id, s: fc.nat() }),
  fc
    .tuple(id, fc.constantFrom('log' as const, 'metrics' as const), fc.nat(), fc.nat())
    .map(([u, n, o, length]) => ({
      t: 'stream' as const,
      u,
      a: u.replace('run', 'att'),
      n,
      o,
      z: o + length,
    })),
);

describe('pending announcements', () => {
  it('come out in payloads that PostgreSQL takes, each subject once and as wide as it was told', () => {
    fc.assert(
      fc.property(fc.array(announcement, { maxLength: 800 }), (told) => {
        const pending = new PendingAnnouncements();
        for (const one of told) pending.add(one);
        const payloads = pending.take('me');
        expect(payloads.every((payload) => Buffer.byteLength(payload) < 8000)).toBe(true);
        const heard = payloads.flatMap((payload) => readPayload(payload)!.all);
        const subject = (one: Announcement) =>
          one.t === 'tree' ? one.r : one.t === 'stream' ? `${one.a} ${one.n}` : one.t;
        expect(new Set(heard.map(subject)).size).toBe(heard.length);
        for (const one of told) {
          const found = heard.find((candidate) => subject(candidate) === subject(one));
          if (one.t === 'tree' && found?.t === 'tree') expect(found.s).toBeGreaterThanOrEqual(one.s);
          else if (one.t === 'stream' && found?.t === 'stream')
            expect(found.o <= one.o && found.z >= one.z).toBe(true);
          else expect(found).toEqual(one);
        }
        expect(pending.take('me')).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it('become one call to look everywhere when there are too many', () => {
    const pending = new PendingAnnouncements();
    for (let i = 0; i < 20_000; i += 1) pending.add({ t: 'tree', r: `run_${i}`, s: 1 });
    const heard = pending.take('me').flatMap((payload) => readPayload(payload)!.all);
    expect(heard.slice(0, 3)).toEqual([{ t: 'missed' }, { t: 'work' }, { t: 'inbox' }]);
    expect(heard.length).toBeLessThan(5001);
  });

  it('skip payloads that are not ours', () => {
    for (const text of ['', '{', '[]', '{"from":"x"}', '{"from":"x","all":[{"t":"new"}]}'])
      expect(readPayload(text)).toBeUndefined();
  });
});
