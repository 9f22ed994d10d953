import { expect, test } from 'vitest';
import { Leases } from './leases.ts';

test('lets a program run through its lease and ends it, grace time included, before the server acts', () => {
  const leases = new Leases({ lostGraceMs: 15_000 });
  leases.renew('att_1', 0, 60_000);
  expect(leases.mustEnd('att_1', 10_000, 60_000)).toBe(false);
  expect(leases.mustEnd('att_1', 10_000, 62_000)).toBe(true);
  expect(leases.mustEnd('att_1', 1000, 70_000)).toBe(false);
  expect(leases.mustEnd('att_1', 1000, 71_000)).toBe(true);
  expect(leases.partitionGraceMs(3_600_000)).toBe(10_000);
  expect(leases.mustEnd('att_1', 3_600_000, 61_999)).toBe(false);
});

test('counts from the sending of the newest renewal, whichever answer comes first', () => {
  const leases = new Leases({ lostGraceMs: 15_000 });
  leases.renew('att_1', 40_000, 60_000);
  leases.renew('att_1', 20_000, 60_000);
  expect(leases.mustEnd('att_1', 10_000, 101_999)).toBe(false);
  expect(leases.mustEnd('att_1', 10_000, 102_000)).toBe(true);
});

test('judges nothing that it does not know', () => {
  const leases = new Leases({ lostGraceMs: 15_000 });
  leases.renew('att_1', 0, 1);
  leases.forget('att_1');
  expect(leases.mustEnd('att_1', 0, 1e9)).toBe(false);
});

test('never ends a program because nothing about it changes, for a simulated day of renewals (A8.10)', () => {
  const leases = new Leases({ lostGraceMs: 15_000 });
  for (let nowMs = 0; nowMs < 86_400_000; nowMs += 20_000) {
    expect(leases.mustEnd('att_1', 10_000, nowMs)).toBe(false);
    leases.renew('att_1', nowMs, 60_000);
  }
});
