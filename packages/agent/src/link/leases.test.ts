import { expect, test } from 'vitest';
import { Leases } from './leases.ts';

test('lets a program run through its lease and ends it, grace time included, before the server acts', () => {
  const leases = new Leases({ lostGraceMs: 15_000 });
  leases.renew('att_1', 0, 60_000);
  expect(leases.mustEnd('att_1', 10_000, 60_749)).toBe(false);
  expect(leases.mustEnd('att_1', 10_000, 60_750)).toBe(true);
  expect(leases.mustEnd('att_1', 1000, 65_749)).toBe(false);
  expect(leases.mustEnd('att_1', 1000, 65_750)).toBe(true);
  expect(leases.partitionGraceMs(3_600_000)).toBe(6000);
  expect(leases.mustEnd('att_1', 3_600_000, 60_749)).toBe(false);
  // Whoever acts in place of the agent comes after it, and before the server.
  expect(leases.guardedUntilMs('att_1')).toBe(69_000);
});

test('counts from the sending of the newest renewal, whichever answer comes first', () => {
  const leases = new Leases({ lostGraceMs: 15_000 });
  leases.renew('att_1', 40_000, 60_000);
  leases.renew('att_1', 20_000, 60_000);
  expect(leases.mustEnd('att_1', 10_000, 100_749)).toBe(false);
  expect(leases.mustEnd('att_1', 10_000, 100_750)).toBe(true);
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
