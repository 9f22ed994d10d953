import { WEBHOOK_LIMITS } from '@trainyard/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterAttempt } from './retry-schedule.ts';

const failed = { status: 500, retryAfterMs: null };
const random = fc.double({ min: 0, max: 1, noNaN: true });

describe('what follows an attempt', () => {
  it('is nothing after a success, whatever the attempt', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 200, max: 299 }), (attempt, status) => {
        const next = afterAttempt({ attempt, result: { status, retryAfterMs: null }, nowMs: 0, random: 0 });
        expect(next).toEqual({ status: 'delivered', nextAttemptAtMs: null });
      }),
    );
  });

  it('is a later attempt each time, then the end, within about twenty hours', () => {
    fc.assert(
      fc.property(fc.array(random, { minLength: 20, maxLength: 20 }), (randoms) => {
        let nowMs = 0;
        for (const [index, one] of randoms.entries()) {
          const attempt = index + 1;
          const next = afterAttempt({ attempt, result: failed, nowMs, random: one });
          if (next.status === 'failed') {
            expect(attempt).toBe(WEBHOOK_LIMITS.attempts);
            expect(nowMs).toBeGreaterThan(12 * 3_600_000);
            expect(nowMs).toBeLessThan(30 * 3_600_000);
            return;
          }
          expect(next.nextAttemptAtMs).toBeGreaterThanOrEqual(nowMs + 4000);
          nowMs = next.nextAttemptAtMs!;
        }
        throw new Error('it never gave up');
      }),
    );
  });

  it('waits as long as the receiver asks, up to six hours', () => {
    const next = (retryAfterMs: number) =>
      afterAttempt({ attempt: 1, result: { status: 429, retryAfterMs }, nowMs: 0, random: 0.5 })
        .nextAttemptAtMs;
    expect([next(0), next(60_000), next(999_999_000)]).toEqual([5000, 60_000, 6 * 3_600_000]);
  });

  it('gives up at once when the receiver is gone', () => {
    const next = afterAttempt({
      attempt: 1,
      result: { status: 410, retryAfterMs: null },
      nowMs: 0,
      random: 0,
    });
    expect(next.status).toBe('failed');
  });
});
